package console

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"roster/internal/peoplefile"
	"roster/internal/roster"
)

// maxImport is how many people a form imports, in one transaction while the browser
// waits. More are for the command line.
const maxImport = 20_000

// importForm is the form of a table of people.
type importForm struct {
	List   string
	Update bool
	Error  string
}

// Columns are those that a table may have beside emailId.
func (importForm) Columns() string { return strings.Join(peoplefile.Columns()[1:], ", ") }

// Most is how many people it may name.
func (importForm) Most() string { return grouped(maxImport) }

func (q *request) importPage() error { return q.show("import", "Import users", importForm{}) }

// wrongImport shows the form again, with what is wrong.
func (q *request) wrongImport(f importForm, text string) error {
	f.Error = text
	q.render(http.StatusUnprocessableEntity, "import", "Import users", f)
	return nil
}

// importView is what an import would come to.
type importView struct {
	roster.Imported
	Update  bool
	Text    string // of the table, as a JSON string: a form does not keep line ends
	Changed bool   // since the preview that was confirmed
}

// Some are the first of the lines that are left out.
func (v importView) Some() []roster.BadRow { return v.Bad[:min(len(v.Bad), mostRefused)] }

// Good is how many people are taken.
func (v importView) Good() int { return v.Created + v.Updated }

// previewImport reads the table and tries it without writing anything.
func (q *request) previewImport() error {
	form := q.r.PostForm
	f := importForm{List: form.Get("list"), Update: form.Get("update") != ""}
	text, err := q.listText(f.List)
	if err != nil {
		return q.wrongImport(f, sentence(err.Error()))
	}
	rows, err := peoplefile.ReadPeople(text, func(int) {})
	switch {
	case len(strings.TrimSpace(string(text))) == 0:
		return q.wrongImport(f, "Paste a table or choose a file.")
	case err != nil:
		return q.wrongImport(f, sentence(err.Error()))
	case len(rows) == 0:
		return q.wrongImport(f, "The table names nobody.")
	case len(rows) > maxImport:
		return q.wrongImport(f, "The table names "+grouped(len(rows))+" people; "+grouped(maxImport)+" is the most.")
	}
	v := importView{Update: f.Update}
	if v.Imported, err = q.tryImport(rows, v.Update, true); err != nil {
		return err
	}
	keep, err := json.Marshal(string(text))
	if err != nil {
		return err
	}
	if len(keep) > maxList-maxForm { // it comes back with the next form
		return q.wrongImport(f, "The table is too long. Import it in parts.")
	}
	v.Text = string(keep)
	return q.show("importpreview", "Import users?", v)
}

// tryImport imports the rows that can be taken, or tells what that would come to.
func (q *request) tryImport(rows []roster.ImportRow, update, dryRun bool) (roster.Imported, error) {
	o := roster.ImportOptions{SkipBad: true, Update: update, DryRun: dryRun}
	return q.roster.ImportUsers(q.r.Context(), q.caller, q.account(), rows, o)
}

// importUsers imports the table that the preview showed. When that would come to
// something else by now, nothing is written and the preview comes again: so a form
// that is sent twice imports once.
func (q *request) importUsers() error {
	form := q.r.PostForm
	var text string
	if err := json.Unmarshal([]byte(form.Get("text")), &text); err != nil {
		return errForm
	}
	rows, err := peoplefile.ReadPeople([]byte(text), func(int) {})
	if err != nil || len(rows) == 0 || len(rows) > maxImport {
		return errForm
	}
	created, err1 := strconv.Atoi(form.Get("created"))
	updated, err2 := strconv.Atoi(form.Get("updated"))
	if err1 != nil || err2 != nil {
		return errForm
	}
	v := importView{Update: form.Get("update") != "", Text: form.Get("text"), Changed: true}
	if v.Imported, err = q.tryImport(rows, v.Update, true); err != nil {
		return err
	}
	if v.Created != created || v.Updated != updated {
		q.render(http.StatusConflict, "importpreview", "Import users?", v)
		return nil
	}
	if _, err = q.tryImport(rows, v.Update, false); err != nil {
		return err
	}
	return q.done("users-imported", "/users")
}
