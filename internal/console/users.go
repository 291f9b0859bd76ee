package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

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
	order, descending := strings.CutPrefix(asked.Get("sort"), "-")
	v := usersView{Query: directory.UserQuery{
		Order: directory.UserOrder(order), Descending: descending, Search: asked.Get("search"),
		Status: directory.Status(asked.Get("status")), Role: asked.Get("role"), From: asked.Get("from"), Limit: usersOnPage,
	}}
	status := http.StatusOK
	var err error
	v.UserPage, err = q.roster.UserPage(q.r.Context(), q.caller, q.account(), v.Query)
	if errors.Is(err, directory.ErrInvalid) {
		v.Error, status = sentence(err.Error()), http.StatusUnprocessableEntity
		var all directory.UserPage // for the roles to choose from
		all, err = q.roster.UserPage(q.r.Context(), q.caller, q.account(), directory.UserQuery{Limit: 1})
		v.Roles = all.Roles
	}
	if err != nil {
		return err
	}
	q.render(status, "users", "Users", v)
	return nil
}

// roleNames are the names of somebody's roles: one that is held in several bots is
// named once.
func roleNames(access directory.MemberAccess) (names []string) {
	for i := range access.Roles {
		if name := access.Roles[i].Role.Name; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// userSort is a way to sort users.
type userSort struct{ Value, Text string }

// Sorts are the ways to sort users.
func (usersView) Sorts() []userSort {
	return []userSort{
		{"emailId", "Email Id, A to Z"},
		{"-emailId", "Email Id, Z to A"},
		{"name", "Name, A to Z"},
		{"-name", "Name, Z to A"},
		{"orgUserId", "Org user id, A to Z"},
		{"-orgUserId", "Org user id, Z to A"},
	}
}

// Statuses are what users can be filtered by.
func (usersView) Statuses() []directory.Status { return directory.Statuses() }

// Sort is how the list is sorted.
func (v usersView) Sort() string {
	order := string(v.Query.Order)
	if order == "" {
		order = string(directory.OrderByEmail)
	}
	if v.Query.Descending {
		return "-" + order
	}
	return order
}

// Filtered says whether not everybody is listed.
func (v usersView) Filtered() bool {
	return v.Query.Search != "" || v.Query.Status != "" || v.Query.Role != "" || v.Query.Order == directory.OrderByOrgUserID
}

// From is the address of the same list from a key on.
func (v usersView) From(key string) string { return v.address(v.Sort(), key) }

// SortedBy is the address of the list sorted by a column: upwards, or downwards where
// it is sorted upwards by that already.
func (v usersView) SortedBy(column string) string {
	if v.Sort() == column {
		column = "-" + column
	}
	return v.address(column, "")
}

// AriaSort is how a column is sorted, for a screen reader.
func (v usersView) AriaSort(column string) string {
	switch v.Sort() {
	case column:
		return "ascending"
	case "-" + column:
		return "descending"
	}
	return "none"
}

func (v usersView) address(sort, from string) string {
	if sort == string(directory.OrderByEmail) {
		sort = "" // is what it is without
	}
	values := url.Values{}
	for name, value := range map[string]string{
		"search": v.Query.Search, "status": string(v.Query.Status), "role": v.Query.Role, "sort": sort, "from": from,
	} {
		if value != "" {
			values.Set(name, value)
		}
	}
	if len(values) == 0 {
		return link("users")
	}
	return link("users") + "?" + values.Encode()
}
