// Command mutants runs the mutation sample: deliberate faults in the paths that
// matter most, each of which the quick form of the tests must catch. It owns the
// table of these faults and runs the tests against one of them at a time. It
// never touches the working tree: the go command reads the mutated file through
// an overlay. Run it from the root of the repository.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	pattern := flags.String("run", "", "run only the mutants whose name matches this `regexp`")
	check := flags.Bool("check", false, "only check that every mutant can be applied")
	list := flags.Bool("list", false, "print the table of mutants as Markdown, and run nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	selected, err := matching(sample(), *pattern)
	if err != nil {
		return err
	}
	if *list {
		printTable(out, selected)
		return nil
	}
	if err := checkAll(".", selected); err != nil {
		return err
	}
	if *check {
		fmt.Fprintf(out, "All %d mutants can be applied.\n", len(selected))
		return nil
	}
	return runAll(ctx, out, selected)
}

// matching returns the mutants whose name matches the pattern.
func matching(all []mutant, pattern string) (selected []mutant, err error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		if re.MatchString(m.name) {
			selected = append(selected, m)
		}
	}
	if len(selected) == 0 {
		return nil, fmt.Errorf("no mutant has a name that matches %q", pattern)
	}
	return selected, nil
}

// printTable prints the mutants as the table in docs/testing.md.
func printTable(out io.Writer, all []mutant) {
	fmt.Fprint(out, "| area | fault | declaration | caught by |\n|---|---|---|---|\n")
	for _, m := range all {
		fmt.Fprintf(out, "| %s | %s | `%s` | `%s` |\n", m.area, m.name, m.in, m.test)
	}
}
