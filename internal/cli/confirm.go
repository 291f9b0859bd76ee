package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// confirm says what is about to be done and asks a person, never a script, for
// the number of those whom it is done to. Any other answer is an error of the
// text refused.
func (e *env) confirm(ctx context.Context, what string, n int, refused string) error {
	if !isTerminal(e.in) || !isTerminal(e.err) {
		return nil
	}
	fmt.Fprintf(e.err, "%s Type %d to go on: ", what, n)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(e.in).ReadString('\n')
		answer <- line
	}()
	line := ""
	select {
	case line = <-answer:
	case <-ctx.Done(): // Ctrl-C, while the terminal still waits for a line
	}
	if !strings.HasSuffix(line, "\n") {
		fmt.Fprintln(e.err)
	}
	if strings.TrimSpace(line) != strconv.Itoa(n) {
		return errors.New(refused)
	}
	return nil
}

// plural is a number with what it counts: "1 user", "2 users".
func plural(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}
