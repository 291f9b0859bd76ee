package console

import (
	"testing"
	"time"

	"roster/internal/directory"
)

func TestSentence(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"the name is empty":            "The name is empty.",
		"done.":                        "Done.",
		"ann@example.com is no member": "ann@example.com is no member.",
		"st-17 is no bot":              "st-17 is no bot.",
		"éva":                          "Éva.",
		"":                             ".",
	} {
		if got := sentence(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestTimeLeft(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for left, want := range map[time.Duration]string{
		30*24*time.Hour - time.Second:  "30 days left",
		30*24*time.Hour - 13*time.Hour: "29 days left",
		36 * time.Hour:                 "2 days left",
		35 * time.Hour:                 "35 hours left",
		119 * time.Minute:              "less than two hours left",
		0:                              "less than two hours left",
	} {
		v := removalView{RemovalRecord: directory.RemovalRecord{RestorableUntil: now.Add(left)}, Now: now.UnixMicro()}
		if got := v.TimeLeft(); got != want {
			t.Errorf("%v: %q, want %q", left, got, want)
		}
	}
}
