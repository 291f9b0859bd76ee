package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"roster/internal/cli"
)

// What a command says is wrong quotes a part of a long text, whoever makes the
// message: we, the flags or the commands.
func TestErrorsQuoteAPart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	database, file := filepath.Join(dir, "roster.db"), filepath.Join(dir, "people.csv")
	long := strings.Repeat("someone@example.com\r", 1000)
	if err := os.WriteFile(file, []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (code int, out, errOut string) {
		var stdout, stderr bytes.Buffer
		code = cli.Main(t.Context(), args, strings.NewReader(""), &stdout, &stderr)
		return code, stdout.String(), stderr.String()
	}
	code, out, errOut := run("account", "create", "--name", "One", "--owner-email", "owner@example.com", "--database", database)
	var made struct{ AccountID string }
	if err := json.Unmarshal([]byte(out), &made); code != 0 || err != nil {
		t.Fatalf("exit code %d: %s", code, errOut)
	}
	there := []string{"--account", made.AccountID, "--database", database}
	word := strings.ReplaceAll(long, "\r", "")
	for _, args := range [][]string{
		{long},
		{"--" + word},
		{"user", "list", "--limit", long},
		{"token", "--client-id", "x", "--ttl", long},
		{"serve", "--rate-limit", long, "--database", database},
		{"user", "list", "--account", long, "--database", database},
		append([]string{"user", "import", file}, there...),
		append([]string{"user", "suspend", long}, there...),
		append([]string{"user", "suspend", strings.Repeat("x", 5000) + "@example.com"}, there...),
		append([]string{"role", "create", "--name", "x", "--kind", long}, there...),
		append([]string{"removal", "show", long}, there...),
		append([]string{"group", "show", word}, there...),
	} {
		code, out, errOut := run(args...)
		if code == 0 || out != "" || len(errOut) > 700 || !strings.Contains(errOut, "…") && strings.Contains(errOut, "someone") {
			t.Errorf("%.60q: exit code %d, %d bytes on standard error: %.300s", args, code, len(errOut), errOut)
		}
	}
}
