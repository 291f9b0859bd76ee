package console

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"roster/internal/directory"
	"roster/internal/roster"
)

func (q *request) appsPage() error {
	apps, err := q.roster.Apps(q.r.Context(), q.caller, q.account(), false)
	if err != nil {
		return err
	}
	return q.show("apps", "API Scopes", apps)
}

// appForm is the form of an app, as it was filled in.
type appForm struct {
	ClientID   string // made with the form, so that it cannot make two apps when it is sent again
	New        bool
	Name       string
	Algorithm  directory.Algorithm
	PublicKey  string
	Policy     directory.AppPolicy
	Scopes     []directory.Scope
	Error      string
	Algorithms []directory.Algorithm
	All        []directory.Scope
}

// Has reports whether a scope is ticked.
func (f appForm) Has(s directory.Scope) bool { return slices.Contains(f.Scopes, s) }

func (q *request) newAppPage() error {
	f := appForm{ClientID: directory.NewClientID(), Algorithm: directory.HS256, Scopes: []directory.Scope{directory.ScopeUserManagement}}
	f.Policy.MustExpire = true
	return q.showAppForm(http.StatusOK, f, true)
}

func (q *request) showAppForm(status int, f appForm, isNew bool) error {
	f.New, f.Algorithms, f.All = isNew, directory.Algorithms(), directory.Scopes()
	title := "New app"
	if !isNew {
		title = "Change the app"
	}
	q.render(status, "appform", title, f)
	return nil
}

// readAppForm reads the posted form. Its error is one of a value that the form
// does not offer.
func (q *request) readAppForm() (f appForm, err error) {
	form := q.r.PostForm
	f = appForm{
		ClientID: form.Get("clientId"), Name: form.Get("name"), PublicKey: form.Get("publicKey"),
		Policy: directory.AppPolicy{
			MustExpire: form.Get("mustExpire") != "", EnforceJTI: form.Get("enforceJti") != "", EnforceJWE: form.Get("enforceJwe") != "",
		},
	}
	for _, text := range form["scope"] {
		scope, err := directory.ParseScope(text)
		if err != nil {
			return f, err
		}
		f.Scopes = append(f.Scopes, scope)
	}
	if text := form.Get("algorithm"); text != "" {
		f.Algorithm, err = directory.ParseAlgorithm(text)
	}
	return f, err
}

// secretView shows a secret, this once.
type secretView struct {
	App    directory.App
	Number int
	Secret string // empty for an app that has a public key
	New    bool   // the app is new too
}

// createApp makes an app and shows its secret in the answer itself: it is in no
// address, and no other page ever has it.
func (q *request) createApp() error {
	f, err := q.readAppForm()
	if err != nil {
		return err
	}
	if !directory.MayBeNewClientID(f.ClientID) { // apps have other ids by the command line alone
		return errForm
	}
	app := roster.NewApp{Name: f.Name, Scopes: f.Scopes, ClientID: f.ClientID, Algorithm: f.Algorithm, Policy: f.Policy}
	if f.Algorithm.PublicKey() {
		app.PublicKey = []byte(f.PublicKey)
	}
	id, secret, err := q.roster.CreateApp(q.r.Context(), q.caller, q.account(), app)
	switch {
	case errors.Is(err, directory.ErrExists):
		if _, err := q.roster.App(q.r.Context(), q.caller, f.ClientID); err != nil {
			return err
		}
		return q.done("app-made", "/apps")
	case errors.Is(err, directory.ErrInvalid):
		f.Error = sentence(err.Error())
		return q.showAppForm(http.StatusUnprocessableEntity, f, true)
	case err != nil:
		return err
	}
	made, err := q.roster.App(q.r.Context(), q.caller, id)
	if err != nil {
		return err
	}
	return q.show("secret", "The app is made", secretView{App: made.App, Number: 1, Secret: secret, New: true})
}

// appView is an app's page.
type appView struct {
	roster.AppDetails
	Live, Retired []directory.AppKey
	LastUsed      time.Time
}

// CanAdd reports whether the app may get another secret.
func (v appView) CanAdd() bool {
	return v.State != directory.AppDeleted && len(v.Live) < directory.MaxLiveKeys
}

// Reason is why tokens were refused, in words.
func (v appView) Reason(word string) string {
	if text, ok := reasonTexts[word]; ok {
		return text
	}
	return word
}

// KeyWord is what the app's keys are.
func (v appView) KeyWord() string {
	if v.Algorithm.PublicKey() {
		return "public key"
	}
	return "secret"
}

// reasonTexts say why a token was refused to people, by auth.Reason.
var reasonTexts = map[string]string{
	"malformed":       "The token cannot be read",
	"app_disabled":    "The app is disabled",
	"app_deleted":     "The app is deleted",
	"undecryptable":   "The encrypted token does not open",
	"wrong_algorithm": "Signed with another algorithm than the app's",
	"wrong_signature": "Wrong signature: another or an old secret",
	"not_encrypted":   "Not encrypted, which the app demands",
	"encrypted":       "Encrypted, which the app does not demand",
	"bad_claim":       "A claim cannot be read",
	"expired":         "Expired",
	"not_active":      "Not valid yet: look at the clock of whoever signs",
	"exp_missing":     "No exp, which the app demands",
	"jti_missing":     "No jti, which the app demands",
	"jti_lifetime":    "A jti, and a life of more than an hour",
	"replayed":        "Used a second time",
	"bot_builder":     "The app was made in the Bot Builder",
	"scope_missing":   "The app lacks the scope",
}

func (q *request) appDetails() (appView, error) {
	app, err := q.roster.App(q.r.Context(), q.caller, q.values["app"])
	v := appView{AppDetails: app}
	for _, key := range app.Keys {
		if key.Live() {
			v.Live = append(v.Live, key)
		} else {
			v.Retired = append(v.Retired, key)
		}
		if key.LastUsed.After(v.LastUsed) {
			v.LastUsed = key.LastUsed
		}
	}
	return v, err
}

func (q *request) appPage() error {
	v, err := q.appDetails()
	if err != nil {
		return err
	}
	return q.show("app", v.Name, v)
}

func (q *request) editAppPage() error {
	v, err := q.appDetails()
	if err != nil {
		return err
	}
	return q.showAppForm(http.StatusOK, appForm{
		ClientID: v.ClientID, Name: v.Name, Algorithm: v.Algorithm, Policy: v.Policy, Scopes: v.Scopes,
	}, false)
}

// editApp changes what the form has changed. The verbs are several, and each
// leaves its own audit record.
func (q *request) editApp() error {
	v, err := q.appDetails()
	if err != nil {
		return err
	}
	f, err := q.readAppForm()
	if err != nil {
		return err
	}
	f.ClientID, f.Algorithm = v.ClientID, v.Algorithm
	ctx := q.r.Context()
	changed, err := q.roster.UpdateApp(ctx, q.caller, v.ClientID, roster.AppChange{
		Name: &f.Name, MustExpire: &f.Policy.MustExpire, EnforceJTI: &f.Policy.EnforceJTI, EnforceJWE: &f.Policy.EnforceJWE,
	})
	if errors.Is(err, directory.ErrInvalid) {
		f.Error = sentence(err.Error())
		return q.showAppForm(http.StatusUnprocessableEntity, f, false)
	}
	var added, removed []directory.Scope
	if err == nil {
		added, err = q.roster.AddScopes(ctx, q.caller, v.ClientID, f.Scopes)
	}
	if err == nil {
		removed, err = q.roster.RemoveScopes(ctx, q.caller, v.ClientID, without(directory.Scopes(), f.Scopes))
	}
	if err != nil {
		return err
	}
	flash := "app-saved"
	if !changed && len(added)+len(removed) == 0 {
		flash = "app-same"
	}
	return q.toApp(flash)
}

func without(all, these []directory.Scope) []directory.Scope {
	return slices.DeleteFunc(slices.Clone(all), func(s directory.Scope) bool { return slices.Contains(these, s) })
}

// toApp goes back to the page of the app that the path names.
func (q *request) toApp(flash string) error {
	q.setCookie(flashCookie, flash, 60)
	http.Redirect(q.w, q.r, link("apps", q.values["app"]), http.StatusSeeOther)
	return nil
}

func (q *request) enableApp() error {
	if _, err := q.roster.EnableApp(q.r.Context(), q.caller, q.values["app"]); err != nil {
		return err
	}
	return q.toApp("app-enabled")
}

func (q *request) disableApp() error {
	if _, err := q.roster.DisableApp(q.r.Context(), q.caller, q.values["app"]); err != nil {
		return err
	}
	return q.toApp("app-disabled")
}

func (q *request) deleteAppPage() error {
	v, err := q.appDetails()
	if err != nil {
		return err
	}
	return q.show("appdelete", "Delete the app?", v)
}

func (q *request) deleteApp() error {
	if _, err := q.roster.DeleteApp(q.r.Context(), q.caller, q.values["app"]); err != nil {
		return err
	}
	return q.done("app-deleted", "/apps")
}

// newSecret is the form of another secret. After is how many the app has had, so
// that it cannot add two when it is sent again.
type newSecret struct {
	appView
	After int
	Error string
}

func (q *request) addSecretPage() error {
	v, err := q.appDetails()
	if err != nil {
		return err
	}
	return q.show("secretform", "Add a "+v.KeyWord(), newSecret{appView: v, After: len(v.Keys)})
}

func (q *request) addSecret() error {
	v, err := q.appDetails()
	if err != nil {
		return err
	}
	if q.r.PostForm.Get("after") != strconv.Itoa(len(v.Keys)) {
		return q.toApp("secret-added")
	}
	var s roster.NewSecret
	if v.Algorithm.PublicKey() {
		s.PublicKey = []byte(q.r.PostForm.Get("publicKey"))
	}
	number, secret, err := q.roster.AddSecret(q.r.Context(), q.caller, v.ClientID, s)
	if errors.Is(err, directory.ErrInvalid) || errors.Is(err, directory.ErrExists) {
		q.render(http.StatusUnprocessableEntity, "secretform", "Add a "+v.KeyWord(),
			newSecret{appView: v, After: len(v.Keys), Error: sentence(err.Error())})
		return nil
	}
	if err != nil {
		return err
	}
	return q.show("secret", "The "+v.KeyWord()+" is added", secretView{App: v.App, Number: number, Secret: secret})
}

type retireView struct {
	appView
	Key directory.AppKey
}

func (q *request) retireSecretPage() error {
	v, err := q.appDetails()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(v.Live, func(k directory.AppKey) bool { return strconv.Itoa(k.Number) == q.values["number"] })
	if i < 0 {
		return errNoPage
	}
	return q.show("retire", "Retire "+v.KeyWord()+" "+q.values["number"]+"?", retireView{v, v.Live[i]})
}

func (q *request) retireSecret() error {
	number, err := strconv.Atoi(q.values["number"])
	if err != nil {
		return errNoPage
	}
	if _, err := q.roster.RetireSecret(q.r.Context(), q.caller, q.values["app"], number); err != nil {
		return err
	}
	return q.toApp("secret-retired")
}

type tokenView struct {
	App   directory.App
	Token string
	Curl  string
	Life  time.Duration
}

// testToken makes a token and shows it in the answer itself, as createApp does.
func (q *request) testToken() error {
	v, err := q.appDetails()
	if err != nil {
		return err
	}
	token, err := q.roster.TestToken(q.r.Context(), q.caller, v.ClientID)
	if err != nil {
		return err
	}
	return q.show("token", "Test token", tokenView{v.App, token, q.curl(token), roster.TestTokenLife})
}

// curl is a removal as a preview, ready to be pasted: with the token and this
// server's address.
func (q *request) curl(token string) string {
	scheme := "http://"
	if q.options.Proxies.HTTPS(q.r) {
		scheme = "https://"
	}
	return "curl -X DELETE '" + scheme + plainHost(q.r.Host) + "/api/public/users?dryRun=true' \\\n" +
		"  -H 'auth: " + token + "' \\\n" +
		"  -H 'Content-Type: application/json' \\\n" +
		"  -d '{\"deleteEmailIds\":[\"someone@example.com\"]}'"
}

// plainHost is the name that the browser asked for, unless it could be more than
// a name to a shell.
func plainHost(host string) string {
	for _, c := range host {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != ':' && c != '[' && c != ']' {
			return "HOST"
		}
	}
	return host
}
