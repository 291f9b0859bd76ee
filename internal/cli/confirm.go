package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// confirm says what is about to be done and asks a person, never a script, to
// type a word, such as the number of those whom it is done to. Any other answer
// is an error of the text refused.
func (e *env) confirm(ctx context.Context, what, word, refused string) error {
	if !isTerminal(e.in) || !isTerminal(e.err) {
		return nil
	}
	fmt.Fprintf(e.err, "%s Type %s to go on: ", what, word)
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
	if strings.TrimSpace(line) != word {
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
