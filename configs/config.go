// Package configs loads the settings of a daemon: a strict YAML file, then the environment, then flags. What it hands
// out is complete and valid; everything else is an error that names the place and the cure.
package configs

import (
	"time"

	"github.com/robfig/cron/v3"

	"github.com/plumbline-dev/plumbline"
)

// A Config is everything a daemon is told. Load makes it; it isn't changed afterwards.
type Config struct {
	Bus          Bus                     `yaml:"bus"`
	Services     map[string]*Service     `yaml:"services"`
	Connections  map[string]*Connection  `yaml:"connections"`
	NamedSecrets map[string]*NamedSecret `yaml:"secrets"`
	Reporters    map[string]*Reporter    `yaml:"reporters"`
	Tokens       []*Token                `yaml:"tokens"`
	Receiver     Receiver                `yaml:"receiver"`
	Limits       Limits                  `yaml:"limits"`
	Listen       string                  `yaml:"listen"`     // host:port of the gate; default 127.0.0.1:8080
	PublicURL    string                  `yaml:"public_url"` // where people reach it, by name also on loopback; "" leaves links out of messages
	Log          Log                     `yaml:"log"`

	// ShutdownGrace is how long runs under way may take to end once the daemon is told to; default 20s.
	ShutdownGrace time.Duration `yaml:"shutdown_grace"`

	canonical []byte
	revealed  []Secret
}

// A Bus says where events come from: a NATS cluster, or a server inside the daemon.
type Bus struct {
	URL         string `yaml:"url"`          // one or more, with commas between; "" embeds a server
	Credentials string `yaml:"credentials"`  // a file for URL: NATS credentials, or an nkey seed
	TLS         TLS    `yaml:"tls"`          // for URL
	InboxPrefix string `yaml:"inbox_prefix"` // of the subjects that answers come to; default _INBOX
	Replicas    int    `yaml:"replicas"`     // of each stream; default 3 on a cluster, else 1
	Prefix      string `yaml:"prefix"`       // of subjects, streams and buckets; default plumbline
	Store       string `yaml:"store"`        // directory of the embedded server
	Listen      string `yaml:"listen"`       // loopback host:port of the embedded server; default 127.0.0.1:4222, "" for none

	// Keep is how long verdicts, ledger and suites are kept, at least; default 9600h, 400 days. Streams that keep more are left so.
	Keep time.Duration `yaml:"keep"`
}

// Embedded says whether the daemon runs its own server.
func (b Bus) Embedded() bool { return b.URL == "" }

// A TLS names PEM files: whom to trust, and what to show. The zero TLS trusts whom the system trusts and shows nothing.
type TLS struct {
	Authorities string `yaml:"authorities"` // who signs the servers' certificates
	Certificate string `yaml:"certificate"` // of this client
	Key         string `yaml:"key"`         // of Certificate
}

// A Service is deployed in two colors.
type Service struct {
	Environments map[plumbline.Color]*Environment `yaml:"environments"`
	Live         Live                             `yaml:"live"`
	New          bool                             `yaml:"new"`
	Suites       []string                         `yaml:"suites"`   // files, directories, or shipped:NAME
	Deadline     time.Duration                    `yaml:"deadline"` // of a run; default 30m
	Standby      Standby                          `yaml:"standby"`
	Gate         Gate                             `yaml:"gate"`

	OnSharedFailure plumbline.OnShared `yaml:"on_shared_failure"` // what a failure does that the live color shares; default block
	WaitFor         time.Duration      `yaml:"wait_for"`          // of wait: how long the run asks again
}

// An Environment is where one color answers.
type Environment struct {
	URL         string            `yaml:"url"`
	Vars        map[string]any    `yaml:"vars"`        // as JSON has them
	Allow       []string          `yaml:"allow"`       // hosts and networks that its checks may reach though they are private
	Connections map[string]string `yaml:"connections"` // the name that suites use → the connection that is meant for this color
}

// Live is the color that takes traffic when a new service begins.
type Live struct {
	Color   plumbline.Color
	Version string
}

// Standby says how the old color is looked after once traffic moved.
type Standby struct {
	Schedule string        `yaml:"schedule"`  // cron of 5 fields, or 6 with seconds; "" asks nothing
	TimeZone string        `yaml:"time_zone"` // of the schedule; default UTC
	Retain   time.Duration `yaml:"retain"`    // default 72h; 0s keeps no standby

	cron cron.Schedule
	zone *time.Location
}

// Next is the first slot after a time, in UTC; the zero time if there is no schedule.
func (s Standby) Next(after time.Time) time.Time {
	if s.cron == nil {
		return time.Time{}
	}
	return s.cron.Next(after.In(s.zone)).UTC()
}

// Gate says when traffic may move.
type Gate struct {
	ValidFor      time.Duration `yaml:"valid_for"` // how long a pass opens; default 30m
	Rollback      string        `yaml:"rollback"`  // RollbackWarn (default) or RollbackEnforce
	Mode          string        `yaml:"mode"`      // ModeEnforce (default) or ModeObserve
	Until         Instant       `yaml:"until"`     // the end of ModeObserve
	RequireDigest bool          `yaml:"require_digest"`
	RequireChange bool          `yaml:"require_change"`
	Renew         time.Duration `yaml:"renew"` // an idle pass is renewed until this age of the deployment; 0: never
}

// What a gate may do.
const (
	RollbackWarn    = "warn"    // a standby that isn't proven opens with a warning
	RollbackEnforce = "enforce" // a rollback demands a fresh pass
	ModeEnforce     = "enforce" // a closed gate is closed
	ModeObserve     = "observe" // a closed gate says so and opens, until a date
)

// An Instant is a date, which is midnight UTC, or a time of RFC 3339.
type Instant struct{ time.Time }

// A NamedSecret is one that suites use as $(secrets.NAME).
type NamedSecret struct {
	Secret
	Hosts []string // that may have it
}

// A Reporter tells people about verdicts. Exactly the field of its kind is set.
type Reporter struct {
	Kind  string // KindSlack
	On    On
	Slack *Slack
}

// KindSlack is the kind of reporter that writes to Slack.
const KindSlack = "slack"

// On chooses verdicts; what isn't named isn't restricted.
type On struct {
	Service []string `yaml:"service"`
	Outcome []string `yaml:"outcome"`
}

// Slack writes to an incoming webhook, or with a bot's token to a channel.
type Slack struct {
	Webhook          Secret   `yaml:"webhook"`
	Token            Secret   `yaml:"token"`
	Channel          string   `yaml:"channel"`
	MentionOnFailure []string `yaml:"mention_on_failure"`
}

// A Token lets a program in.
type Token struct {
	Name  string   `yaml:"name"`
	Roles []string `yaml:"roles"` // of Roles
	Token Secret   `yaml:"token"`
}

// The roles of tokens: to ask a gate, to publish events, to read everything else.
const (
	RoleGate    = "gate"
	RoleRelease = "release"
	RoleRead    = "read"
)

// Roles are all roles of tokens.
func Roles() []string { return []string{RoleGate, RoleRelease, RoleRead} }

// A Receiver takes the callbacks that checks wait for. Any daemon's takes them for all; the zero Receiver is none.
type Receiver struct {
	Listen    string `yaml:"listen"`     // host:port; "" leaves it to other daemons
	PublicURL string `yaml:"public_url"` // where the environments reach it; default is where it listens, on loopback alone
}

// Limits bound what runs may take.
type Limits struct {
	Concurrency int  `yaml:"concurrency"` // checks of a run at once; default 64
	PerHost     int  `yaml:"per_host"`    // of them to one host; default 16
	Body        Size `yaml:"body"`        // of an answer; default 2MiB
}

// Log says what the log contains and how it looks.
type Log struct {
	Level  string `yaml:"level"`  // debug, info (default), warn or error
	Format string `yaml:"format"` // auto (default: text on a terminal, else json), text or json
}

// The defaults.
const (
	DefaultListen      = "127.0.0.1:8080"
	DefaultBusListen   = "127.0.0.1:4222"
	DefaultPrefix      = "plumbline"
	DefaultKeep        = 400 * 24 * time.Hour
	DefaultDeadline    = 30 * time.Minute
	DefaultRetain      = 72 * time.Hour
	DefaultValidFor    = 30 * time.Minute
	DefaultConcurrency = 64
	DefaultPerHost     = 16
	DefaultBody        = 2 << 20
	DefaultGrace       = 20 * time.Second
)
