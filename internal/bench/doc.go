// Package bench measures removals through HTTP beside raw SQL that does the
// same, side by side in one run on copies of the same data. It holds
// benchmarks alone; 'make bench' runs them, and docs/performance.md explains
// the figures.
package bench
