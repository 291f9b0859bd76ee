package console_test

import (
	"os"
	"testing"

	"roster/internal/storetest"
)

func TestMain(m *testing.M) {
	code := storetest.Run(m)
	closeBrowser()
	os.Exit(code)
}
