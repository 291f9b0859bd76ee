package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"roster/internal/auth"
	"roster/internal/directory"
	"roster/internal/roster"
)

// serversLimits is what stands for the limits of the server in place of an
// account's own.
const serversLimits = "server"

// limitsText is an account's own limits in words, nil being none of its own.
func limitsText(own *directory.RateLimits) string {
	switch {
	case own == nil:
		return "the rate limit of the server"
	case own.String() == directory.RatesOff:
		return "no rate limit"
	}
	return "the rate limit " + own.String()
}

func (e *env) accountUpdateCommand() *cobra.Command {
	var account, rates string
	update := &cobra.Command{
		Use:   "update --account ID --rate-limit LIMITS",
		Short: "Change an account",
		Long: `Gives an account rate limits of its own, which hold from its next call on, on
every server. LIMITS is how many calls there may be within any second (s),
minute (m) and hour (h), such as 600/m,6000/h; or "off" for no limit, or
"server" for those that the server has.`,
		Example: `  roster account update --account 5f0c... --rate-limit 600/m,6000/h
  roster account update --account 5f0c... --rate-limit server`,
		Args: wants(),
		RunE: run(func(ctx context.Context, _ []string) error {
			var own *directory.RateLimits
			if rates != serversLimits {
				limits, err := directory.ParseRateLimits(rates)
				if err != nil {
					return usageError{err}
				}
				own = &limits
				rates = limits.String()
			}
			return e.with(ctx, roster.Options{MustExist: true}, func(r *roster.Roster) error {
				if err := r.SetRateLimits(ctx, auth.Operator(), account, own); err != nil {
					return err
				}
				return e.print(struct {
					AccountID string `json:"accountId"`
					RateLimit string `json:"rateLimit"`
				}{account, rates}, func(w io.Writer) {
					fmt.Fprintf(w, "The account %s has %s.\n", account, limitsText(own))
				})
			})
		}),
	}
	e.databaseFlag(update)
	update.Flags().StringVar(&account, "account", "", "id of the account")
	update.Flags().StringVar(&rates, "rate-limit", "", "limits such as 600/m,6000/h, or off, or server")
	required(update, "account", "rate-limit")
	completeValues(update, "rate-limit", directory.RatesOff, serversLimits)
	return update
}
