package cli

import (
	"roster/internal/directory"
	"roster/internal/web"
)

// limitsFlag is a flag of rate limits, such as 60/m,1800/h or off.
type limitsFlag directory.RateLimits

// String implements pflag.Value.
func (f *limitsFlag) String() string { return directory.RateLimits(*f).String() }

// Set implements pflag.Value.
func (f *limitsFlag) Set(text string) error {
	limits, err := directory.ParseRateLimits(text)
	*f = limitsFlag(limits)
	return err
}

// Type implements pflag.Value.
func (f *limitsFlag) Type() string { return "limits" }

// proxiesFlag is a flag of networks.
type proxiesFlag web.Proxies

// String implements pflag.Value.
func (f *proxiesFlag) String() string { return web.Proxies(*f).String() }

// Set implements pflag.Value.
func (f *proxiesFlag) Set(text string) error {
	proxies, err := web.ParseProxies(text)
	*f = proxiesFlag(proxies)
	return err
}

// Type implements pflag.Value.
func (f *proxiesFlag) Type() string { return "networks" }
