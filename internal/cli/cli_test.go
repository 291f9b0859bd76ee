package cli_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"roster/internal/roster"
	"roster/internal/server"
	"roster/internal/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// onPostgres are the scripts about the database itself, which run on PostgreSQL too.
// The others do so in the long form: the operations behind them are tested on both
// engines in package roster.
var onPostgres = []string{"audit", "database", "db", "removals", "whole"}

// scripts are the files of an engine's scripts.
func scripts(t *testing.T, engine string) (files []string) {
	all, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(all) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range all {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		if engine == "sqlite" || storetest.Long() || slices.Contains(onPostgres, name) {
			files = append(files, file)
		}
	}
	return files
}

// TestScripts runs the scripts of testdata. In a script, $DB is an empty database.
func TestScripts(t *testing.T) {
	t.Parallel()
	for _, engine := range storetest.Engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			testscript.Run(t, testscript.Params{
				Files: scripts(t, engine),
				Setup: func(env *testscript.Env) error {
					db := env.WorkDir + "/roster.db"
					if engine == "postgres" {
						db = storetest.Empty(env.T().(testing.TB), engine)
					}
					env.Setenv("DB", db)
					env.Setenv("ROSTER_DATABASE", db)
					env.Setenv("HOME", env.WorkDir+"/home")
					env.Values[program{}] = storetest.Program(t)
					return nil
				},
				Condition: func(cond string) (bool, error) { return cond == engine, nil },
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"cert":   cmdCert,
					"exit":   cmdExit,
					"get":    cmdGet,
					"one":    cmdOne,
					"roster": cmdRoster,
					"serve":  cmdServe,
				},
				RequireUniqueNames: true,
			})
		})
	}
}

// program is the key of the program's path in the values of a script.
type program struct{}

// runProgram runs the program. Its path is in the values of the script.
func runProgram(ts *testscript.TestScript, args []string) error {
	return ts.Exec(ts.Value(program{}).(string), args...)
}

// cmdRoster runs the program, which must succeed: roster user list ...
func cmdRoster(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("use exit, which checks the exit code")
	}
	ts.Check(runProgram(ts, args))
}

// cmdExit runs the program and compares its exit code: exit 3 roster user remove ...
func cmdExit(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = runProgram(ts, args[2:])
	got := 0
	if err != nil {
		_, code, ok := strings.Cut(err.Error(), "exit status ")
		if !ok {
			ts.Fatalf("%v", err)
		}
		got, err = strconv.Atoi(code)
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d instead of %d", got, want)
	}
}

// cmdGet puts a field of the JSON on standard output into a variable: get ACCOUNT accountId
func cmdGet(ts *testscript.TestScript, _ bool, args []string) {
	var fields map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &fields))
	value, ok := fields[args[1]].(string)
	if !ok {
		ts.Fatalf("standard output has no text %s", args[1])
	}
	ts.Setenv(args[0], value)
}

// cmdOne puts the id of the only removal on standard output into a variable:
// one REMOVAL
func cmdOne(ts *testscript.TestScript, _ bool, args []string) {
	var out struct {
		Removals   []struct{ ID string } // of 'removal list'
		RemovalIDs []string              // of 'user remove'
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &out))
	ids := out.RemovalIDs
	for _, r := range out.Removals {
		ids = append(ids, r.ID)
	}
	if len(ids) != 1 {
		ts.Fatalf("standard output has the removals %q", ids)
	}
	ts.Setenv(args[0], ids[0])
}

// cmdCert makes a certificate for 127.0.0.1 that vouches for itself, and its
// key: cert cert.pem key.pem
func cmdCert(ts *testscript.TestScript, _ bool, args []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	for i, block := range []*pem.Block{{Type: "CERTIFICATE", Bytes: der}, {Type: "PRIVATE KEY", Bytes: private}} {
		ts.Check(os.WriteFile(ts.MkAbs(args[i]), pem.EncodeToMemory(block), 0o600))
	}
}

// cmdServe serves $DB until the script ends, at the URL $HOST and the address
// $ADDR, with a certificate and its key where they are given:
// serve [cert.pem key.pem]
func cmdServe(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithCancel(context.Background())
	cfg := server.Config{
		Addr:   "127.0.0.1:0",
		Roster: roster.Options{Database: ts.Getenv("DB"), SecretKeyFile: ts.Getenv("ROSTER_SECRET_KEY_FILE")},
		Log:    slog.New(slog.DiscardHandler),
	}
	if len(args) == 2 {
		cfg.TLSCert, cfg.TLSKey = ts.MkAbs(args[0]), ts.MkAbs(args[1])
	}
	s, err := server.New(ctx, cfg)
	ts.Check(err)
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	ts.Defer(func() {
		cancel()
		ts.Check(<-done)
	})
	ts.Setenv("HOST", s.URL())
	ts.Setenv("ADDR", s.Addr())
}
