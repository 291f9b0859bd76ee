package roster

// ForgetJobFailures lets a job whose chunk failed be tried again at once, as a
// server that has just started does.
func (r *Roster) ForgetJobFailures() {
	r.jobs.mu.Lock()
	defer r.jobs.mu.Unlock()
	clear(r.jobs.failed)
}

// RestoreAtOnce makes n members as many as one transaction restores.
func (r *Roster) RestoreAtOnce(n int) { r.restoreAtOnce = n }
