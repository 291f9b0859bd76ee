// Makes tokens with the npm packages jsonwebtoken and jose and writes them to
// internal/auth/testdata, whose tests hold that tokens of these makers are
// taken. Keys are made once and kept; 'make vectors' runs this.
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import * as jose from 'jose'
import jwt from 'jsonwebtoken'

const testdata = new URL('../../internal/auth/testdata/', import.meta.url)
const now = 1800000000 // when the vectors are good

const keys = loadKeys()
const appKey = createPrivateKey({ key: keys.app, format: 'jwk' })
const platformKey = createPublicKey({ key: keys.platform, format: 'jwk' })
const kid = await jose.calculateJwkThumbprint(await jose.exportJWK(platformKey))
const algorithms = ['HS256', 'HS512', 'RS256', 'RS512']

// Claims as they are found in the wild.
const claims = {
  'appId alone': { appId: 'cs-1' },
  'all claims': { appId: 'cs-1', sub: 'script', aud: 'https://idproxy.example.com/authorize', iat: now - 10, nbf: now - 10, exp: now + 300 },
  'fractional exp': { appId: 'cs-1', sub: 'script', exp: now + 300.123456 },
  'kore_iss': { kore_iss: 'cs-1', sub: 'script' },
  'iss': { iss: 'cs-1', sub: 'script' },
  'jti': { appId: 'cs-1', jti: 'id-1', iat: now, exp: now + 3600 },
  'kore_jti': { appId: 'cs-1', kore_jti: 'id-1', iat: now, exp: now + 3600 },
  'jti without iat': { appId: 'cs-1', jti: 'id-1', exp: now + 3600 },
  'within the leeway': { appId: 'cs-1', iat: now + 59, nbf: now + 59, exp: now - 59 },
}

write('jsonwebtoken', madeByJsonwebtoken())
write('jose', await madeByJose())

function madeByJsonwebtoken() {
  return algorithms.flatMap((alg) => Object.entries(claims).map(([name, payload]) => ({
    name, alg, claims: payload,
    token: jwt.sign(payload, alg.startsWith('RS') ? appKey : keys.secret, { algorithm: alg, noTimestamp: true }),
  })))
}

async function madeByJose() {
  const vectors = []
  for (const alg of algorithms) {
    for (const [name, payload] of Object.entries(claims)) {
      vectors.push({ name, alg, claims: payload, token: await signed(alg, payload) })
    }
  }
  for (const keyAlg of ['RSA-OAEP', 'RSA-OAEP-256']) {
    for (const enc of ['A128CBC-HS256', 'A128GCM', 'A256GCM']) {
      for (const alg of algorithms) {
        const payload = claims['all claims']
        const header = { alg: keyAlg, enc, kid, cty: 'JWT' }
        const token = await new jose.CompactEncrypt(new TextEncoder().encode(await signed(alg, payload)))
          .setProtectedHeader(header).encrypt(platformKey)
        vectors.push({ name: `${keyAlg} ${enc}`, alg, jwe: true, claims: payload, token })
      }
    }
  }
  return vectors
}

function signed(alg, payload) {
  const key = alg.startsWith('RS') ? appKey : new TextEncoder().encode(keys.secret)
  return new jose.SignJWT(payload).setProtectedHeader({ alg, typ: 'JWT' }).sign(key)
}

// loadKeys reads the keys of the vectors. They guard nothing.
function loadKeys() {
  const file = new URL('keys.json', testdata)
  if (!existsSync(file)) {
    const rsa = (bits) => generateKeyPairSync('rsa', { modulusLength: bits }).privateKey.export({ format: 'jwk' })
    save(file, { secret: randomBytes(32).toString('base64'), app: rsa(2048), platform: rsa(2048) })
  }
  return JSON.parse(readFileSync(file, 'utf8'))
}

function write(maker, vectors) {
  const { version } = JSON.parse(readFileSync(new URL(`node_modules/${maker}/package.json`, import.meta.url), 'utf8'))
  save(new URL(`${maker}.json`, testdata), { maker: `${maker} ${version}`, now, vectors })
}

function save(file, value) {
  writeFileSync(file, JSON.stringify(value, null, 1) + '\n')
}
