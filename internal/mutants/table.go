package main

// mutant is a deliberate fault: a replacement of one text in one declaration. It
// names the declaration and not a line, so that changes elsewhere do not matter.
type mutant struct {
	area string // what it belongs to; see sample
	name string // what is wrong
	in   string // the declaration; see splitName
	from string // occurs once in it
	to   string
	test string // the quickest test that catches it; see splitName
}

// sample returns all mutants. A change that renames or rewrites what a mutant
// replaces updates its row: TestMutantsApply fails until then.
func sample() (all []mutant) {
	for _, a := range []struct {
		name    string
		mutants []mutant
	}{
		{"removal", removalMutants},
		{"restore", restoreMutants},
		{"tokens", tokensMutants},
		{"scopes", scopesMutants},
		{"tenants", tenantsMutants},
		{"audit", auditMutants},
		{"sessions", sessionsMutants},
		{"files", filesMutants},
	} {
		for _, m := range a.mutants {
			m.area = a.name
			all = append(all, m)
		}
	}
	return all
}
