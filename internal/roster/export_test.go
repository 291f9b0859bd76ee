package roster

// ForgetJobFailures lets a job whose chunk failed be tried again at once, as a
// server that has just started does.
func (r *Roster) ForgetJobFailures() {
	r.jobs.mu.Lock()
	defer r.jobs.mu.Unlock()
	clear(r.jobs.failed)
}

// ForgetJobDelays lets a job whose chunk failed be tried again at once.
func (r *Roster) ForgetJobDelays() {
	r.jobs.mu.Lock()
	defer r.jobs.mu.Unlock()
	for ref, failure := range r.jobs.failed {
		failure.again = failure.again.AddDate(-1, 0, 0)
		r.jobs.failed[ref] = failure
	}
}
