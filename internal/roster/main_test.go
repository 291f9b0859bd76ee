package roster_test

import (
	"testing"

	"roster/internal/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }
