// Package bench measures removals, and the making of users, through HTTP beside
// raw SQL that does the same, side by side in one run on like data. It holds
// benchmarks alone; 'make bench' runs them, and docs/performance.md explains
// the figures.
package bench
