package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// DefaultSlow is how long an answer of a slow color takes: long enough to be found, short enough for users to be served.
const DefaultSlow = 400 * time.Millisecond

// Faults is what is wrong with a color. The zero value is healthy.
type Faults struct {
	EmptyCatalogue          bool `json:"empty_catalogue,omitempty"`           // no voucher is on sale
	Slow                    Wait `json:"slow,omitempty"`                      // every answer of the API waits this long
	Errors                  bool `json:"errors,omitempty"`                    // every answer of the API is a 500
	BrokenLogin             bool `json:"broken_login,omitempty"`              // right credentials are refused
	BrokenWorkdayCredential bool `json:"broken_workday_credential,omitempty"` // Workday refuses every account of this color
	WrongBuild              bool `json:"wrong_build,omitempty"`               // the color still runs what it ran before
	DriftedBudgets          bool `json:"drifted_budgets,omitempty"`           // budgets are set up otherwise than on the other color
	BrokenWebhook           bool `json:"broken_webhook,omitempty"`            // webhooks are signed with a key that nobody knows
}

// FaultNames lists the faults a color can have.
func FaultNames() []string {
	return []string{"broken_login", "broken_webhook", "broken_workday_credential", "drifted_budgets", "empty_catalogue", "errors", "slow", "wrong_build"}
}

// Names lists the faults that are on.
func (f Faults) Names() []string {
	on := map[string]bool{"broken_login": f.BrokenLogin, "broken_workday_credential": f.BrokenWorkdayCredential,
		"broken_webhook": f.BrokenWebhook, "drifted_budgets": f.DriftedBudgets, "empty_catalogue": f.EmptyCatalogue,
		"errors": f.Errors, "slow": f.Slow > 0, "wrong_build": f.WrongBuild}
	return slices.DeleteFunc(FaultNames(), func(name string) bool { return !on[name] })
}

// UnmarshalJSON reads {"slow":"400ms","errors":true} and refuses a fault that there isn't.
func (f *Faults) UnmarshalJSON(text []byte) error {
	type plain Faults
	return decodeStrictly(text, (*plain)(f), "fault", FaultNames())
}

// A Wait is a duration that reads as text ("400ms") in JSON, or as true for DefaultSlow.
type Wait time.Duration

// MarshalJSON writes the duration as Go does.
func (w Wait) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(w).String()) }

// UnmarshalJSON reads a duration between 0 and 1 minute, true or false.
func (w *Wait) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case "true":
		*w = Wait(DefaultSlow)
		return nil
	case "false":
		*w = 0
		return nil
	}
	var written string
	if err := json.Unmarshal(text, &written); err != nil {
		return fmt.Errorf(`%.32s is no duration, want "400ms", true or false`, text)
	}
	d, err := time.ParseDuration(written)
	if err != nil || d < 0 || d > time.Minute {
		return fmt.Errorf(`%.32q is no duration between 0 and 1m, want "400ms", true or false`, written)
	}
	*w = Wait(d)
	return nil
}

// Config is how a color is set up. The zero value stands for the defaults.
type Config struct {
	TokenTTL Wait `json:"token_ttl,omitempty"` // how long a token is good for, default 1m
	MaxPage  int  `json:"max_page,omitempty"`  // the largest limit of a page, default 100
}

const (
	defaultTokenTTL = Wait(time.Minute)
	defaultMaxPage  = 100
)

func (c Config) orDefault() Config {
	if c.TokenTTL == 0 {
		c.TokenTTL = defaultTokenTTL
	}
	if c.MaxPage == 0 {
		c.MaxPage = defaultMaxPage
	}
	return c
}

// Credentials are what a color presents to a provider, by provider. One that isn't named is the right one.
type Credentials map[string]string

// A Condition is everything about a color that a deployment may change.
type Condition struct {
	Release     plumbline.Release
	Config      Config
	Credentials Credentials
	Faults      Faults

	// what a color with WrongBuild says it is
	former plumbline.Release
}

// reported is the release the color says it runs.
func (c Condition) reported() plumbline.Release {
	switch {
	case !c.Faults.WrongBuild:
		return c.Release
	case c.former.Version != "" && c.former.Version != c.Release.Version:
		return c.former
	}
	return plumbline.Release{Version: c.Release.Version + "-stale"}
}

// A change is what the control may be told about a color. What is absent stays as it is.
type change struct {
	Version     *string      `json:"version"`
	Digest      *string      `json:"digest"`
	Config      *Config      `json:"config"`
	Credentials *Credentials `json:"credentials"`
	Faults      *Faults      `json:"faults"`
}

// UnmarshalJSON refuses a key that there isn't.
func (c *change) UnmarshalJSON(text []byte) error {
	type plain change
	return decodeStrictly(text, (*plain)(c), "key", []string{"config", "credentials", "digest", "faults", "version"})
}

// apply makes the next condition of one. Another version without a digest has none.
func (c change) apply(to Condition) (Condition, error) {
	if c.Version != nil && *c.Version == "" {
		return to, errors.New("the version is empty")
	}
	if c.Version != nil && *c.Version != to.Release.Version {
		to.former, to.Release = to.Release, plumbline.Release{Version: *c.Version}
	}
	if c.Digest != nil {
		to.Release.Digest = *c.Digest
	}
	if c.Config != nil {
		to.Config = *c.Config
	}
	if c.Credentials != nil {
		to.Credentials = *c.Credentials
	}
	if c.Faults != nil {
		to.Faults = *c.Faults
	}
	return to, to.check()
}

func (c Condition) check() error {
	for name := range c.Credentials {
		if !slices.Contains(Providers(), name) {
			return unknownName("provider", name, Providers())
		}
	}
	if c.Config.MaxPage < 0 || c.Config.MaxPage > 1000 {
		return fmt.Errorf("max_page is %d, want 1 to 1000", c.Config.MaxPage)
	}
	if c.Faults.Slow < 0 || c.Config.TokenTTL < 0 {
		return errors.New("a duration is negative")
	}
	return nil
}

// decodeStrictly decodes one object whose keys are all known.
func decodeStrictly(text []byte, into any, what string, names []string) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		return fmt.Errorf("want an object of %ss: %s", what, strings.Join(names, ", "))
	}
	for key := range keys {
		if !slices.Contains(names, key) {
			return unknownName(what, key, names)
		}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	return decoder.Decode(into)
}

// unknownName says what there is instead, and which of it was probably meant.
func unknownName(what, name string, names []string) error {
	meant := ""
	for _, candidate := range names {
		if closeTo(name, candidate) {
			meant = fmt.Sprintf(" (did you mean %q?)", candidate)
			break
		}
	}
	return fmt.Errorf("unknown %s %.40q%s, want one of %s", what, name, meant, strings.Join(names, ", "))
}

// closeTo is true for one letter more, less, other or swapped, and for a part of the name.
func closeTo(a, b string) bool {
	a, b = strings.ToLower(strings.ReplaceAll(a, "-", "_")), strings.ToLower(b)
	if len(a) > 3 && (strings.Contains(b, a) || strings.Contains(a, b)) {
		return true
	}
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	restA, restB := a[head:len(a)-tail], b[head:len(b)-tail]
	swapped := len(restA) == 2 && len(restB) == 2 && restA[0] == restB[1] && restA[1] == restB[0]
	return swapped || max(len(restA), len(restB)) <= 1
}
