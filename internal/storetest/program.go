package storetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// programVariable is the environment variable that names the built program of a
// whole test run.
const programVariable = "ROSTER_TEST_PROGRAM"

// Program returns the path of the built program. A test binary that runs alone
// builds it at the first call, and Main removes it.
func Program(t testing.TB) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var programDir string // made by program, for removeProgram

var program = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(programVariable); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "roster-program-")
	if err != nil {
		return "", err
	}
	programDir = dir
	return BuildProgram(dir)
})

// BuildProgram builds the program into a directory and returns its path. The working
// directory must be in the module. It takes no flags, so that it uses what go test has
// compiled.
func BuildProgram(dir string) (string, error) {
	path := filepath.Join(dir, "roster")
	build := exec.Command("go", "build", "-o", path, "roster/cmd/roster")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return path, nil
}

func removeProgram() {
	if programDir != "" {
		_ = os.RemoveAll(programDir)
	}
}
