package roster_test

import (
	"os"
	"testing"

	"roster/internal/storetest"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(faultChild); spec != "" {
		os.Exit(runFaultChild(spec))
	}
	storetest.Main(m)
}
