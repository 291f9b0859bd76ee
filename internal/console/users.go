package console

import (
	"errors"
	"net/http"
	"net/url"

	"roster/internal/directory"
)

// usersOnPage is how many users a page of their list has.
const usersOnPage = 50

type usersView struct {
	directory.UserPage
	Query directory.UserQuery
	Error string
}

// usersPage lists users. A search that cannot be made is said on the page.
func (q *request) usersPage() error {
	asked := q.r.URL.Query()
	v := usersView{Query: directory.UserQuery{
		ByOrgUserID: asked.Get("by") == "orgUserId", Prefix: asked.Get("search"), From: asked.Get("from"), Limit: usersOnPage,
	}}
	status := http.StatusOK
	var err error
	v.UserPage, err = q.roster.UserPage(q.r.Context(), q.caller, q.account(), v.Query)
	if errors.Is(err, directory.ErrInvalid) {
		v.Error, status = sentence(err.Error()), http.StatusUnprocessableEntity
	} else if err != nil {
		return err
	}
	q.render(status, "users", "Users", v)
	return nil
}

// From is the address of the list from a key on, with the same search.
func (v usersView) From(key string) string {
	values := url.Values{}
	for name, value := range map[string]string{"search": v.Query.Prefix, "from": key} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if v.Query.ByOrgUserID {
		values.Set("by", "orgUserId")
	}
	if len(values) == 0 {
		return link("users")
	}
	return link("users") + "?" + values.Encode()
}
