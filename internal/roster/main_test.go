package roster_test

import (
	"flag"
	"os"
	"testing"

	"roster/internal/storetest"
)

func TestMain(m *testing.M) {
	// Each property has a database that grows. -rapid.checks asks for more.
	if err := flag.Set("rapid.checks", "40"); err != nil {
		panic(err)
	}
	if spec := os.Getenv(faultChild); spec != "" {
		os.Exit(runFaultChild(spec))
	}
	storetest.Main(m)
}
