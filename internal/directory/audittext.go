package directory

import "strings"

// Describe says in a sentence what the record is about, with names where they are
// still known and ids where not.
func (r *AuditRecord) Describe() string {
	replace := strings.NewReplacer("{by}", r.actor(), "{user}", r.user(), "{object}", r.Object.String())
	return replace.Replace(auditTexts[r.Kind].sentence)
}

func (r *AuditRecord) actor() string {
	switch r.Actor.Kind {
	case ActorOperator:
		return "The operator"
	case ActorSystem:
		return "The server"
	}
	switch {
	case r.By.PublicID == "":
		return "Somebody who is gone"
	case r.Actor.Kind == ActorApp:
		return "App " + quoteName(r.By.Name) + " (" + r.By.PublicID + ")"
	case r.By.Name == "":
		return "User " + r.By.PublicID
	}
	return "User " + r.By.Name
}

func (r *AuditRecord) user() string {
	switch {
	case r.Email != "":
		return "user " + r.Email
	case r.UserID != "":
		return "user " + r.UserID
	}
	return "a group" // a role that groups have
}

// String names the object in a sentence.
func (o AuditObject) String() string {
	switch {
	case o.PublicID == "":
		return "something that is gone"
	case o.Name == "":
		return o.Kind + " " + o.PublicID
	}
	return o.Kind + " " + quoteName(o.Name)
}

func quoteName(name string) string { return `"` + name + `"` }
