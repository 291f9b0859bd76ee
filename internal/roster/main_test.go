package roster_test

import (
	"flag"
	"os"
	"strconv"
	"testing"

	"roster/internal/storetest"
)

func TestMain(m *testing.M) {
	// Each history has a database that grows. -rapid.checks asks for more.
	if err := flag.Set("rapid.checks", strconv.Itoa(storetest.Count(15, 100))); err != nil {
		panic(err)
	}
	if spec := os.Getenv(faultChild); spec != "" {
		os.Exit(runFaultChild(spec))
	}
	if spec := os.Getenv(restoreChild); spec != "" {
		os.Exit(runRestoreChild(spec))
	}
	storetest.Main(m)
}
