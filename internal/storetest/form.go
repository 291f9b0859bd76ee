package storetest

import (
	"os"
	"strconv"
	"testing"
)

// longVariable is the environment variable that makes the tests take their long
// form. Its value is a factor: with 1 they take the two hours that
// docs/testing.md promises, with 10 about ten times as long.
const longVariable = "ROSTER_TEST_LONG"

var longFactor = func() int {
	n, err := strconv.Atoi(os.Getenv(longVariable))
	if err != nil || n < 0 {
		return 0
	}
	return n
}()

// Long reports whether the tests run in their long form.
func Long() bool { return longFactor > 0 }

// Count returns how often a test repeats what it does: quick times in the quick
// form, and long times the factor of the long form.
func Count(quick, long int) int {
	if !Long() {
		return quick
	}
	return long * longFactor
}

// EachInLong is Each in the long form. In the quick form the test runs on SQLite
// alone: it is for tests whose subject is above the SQL, such as how a body is
// read or what a page looks like.
func EachInLong(t *testing.T, test func(t *testing.T, dsn string)) {
	t.Helper()
	for _, engine := range EnginesInLong() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, New(t, engine))
		})
	}
}

// EnginesInLong are the engines of EachInLong.
func EnginesInLong() []string {
	if Long() {
		return Engines
	}
	return Engines[:1]
}
