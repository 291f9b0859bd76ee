package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static
var staticFiles embed.FS

// files are those that pages load, by the name under which they do. The name has
// a hash of the content in it, so a browser may keep them for good.
type files struct {
	content map[string][]byte
	names   map[string]string // with the hash, by the plain name
}

var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func loadFiles() files {
	f := files{map[string][]byte{}, map[string]string{}}
	entries, err := fs.ReadDir(staticFiles, "static")
	if err != nil {
		panic(err) // they are embedded
	}
	for _, entry := range entries {
		content, err := staticFiles.ReadFile("static/" + entry.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		ext := path.Ext(entry.Name())
		name := strings.TrimSuffix(entry.Name(), ext) + "." + hex.EncodeToString(sum[:6]) + ext
		f.content[name], f.names[entry.Name()] = content, name
	}
	return f
}

// path is where a page finds a file.
func (f files) path(name string) string {
	hashed, ok := f.names[name]
	if !ok {
		panic("console: no static file " + name)
	}
	return Root + "/static/" + hashed
}

// file serves one.
func (q *request) file() error {
	name := q.values["file"]
	content, ok := q.files.content[name]
	if !ok {
		return errNoPage
	}
	q.w.Header().Set("Content-Type", contentTypes[path.Ext(name)])
	q.w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(q.w, q.r, "", time.Time{}, bytes.NewReader(content))
	return nil
}
