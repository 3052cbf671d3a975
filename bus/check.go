package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The states of a Finding.
const (
	StateOK      = "ok"
	StateWeak    = "weak"
	StateMissing = "missing"
	StateUnknown = "unknown"
)

// A Finding is one thing about the bus, as it is.
type Finding struct {
	Name  string `json:"name"` // "stream PLUMBLINE_EVENTS", "server nats-1", "user U…"
	State string `json:"state"`
	Text  string `json:"text"` // what it is, and for all but StateOK what it should be
}

// leastPayload is the payload that the largest message of plumbline's needs: a dead letter with its headers.
const leastPayload = 1 << 20

// How much of what a server may keep makes it nearly full.
const nearlyFull = 0.9

// Check looks at everything that a set of daemons needs, with the eyes of this user. What this user can't see is unknown.
func (b *Bus) Check(ctx context.Context, r Readers) (all []Finding) {
	p, err := b.Permissions(ctx)
	check := &check{Bus: b, may: func(subject string) bool { return err != nil || p.Publish.Has(subject) }}
	all = append(all, check.connection(), check.user(p, err), check.room(ctx))
	all = append(all, check.servers(ctx)...)
	for _, want := range b.streams() {
		all = append(all, check.stream(ctx, want)...)
	}
	for _, want := range b.readers(r) {
		all = append(all, check.reader(ctx, want))
	}
	return all
}

// A check asks only what this user may ask, as far as that is known: what is refused looks like no answer, and takes as long.
type check struct {
	*Bus
	may func(subject string) bool
}

const mayNotAsk = "this user may not ask"

// connection is about what this client sees of its connection.
func (b *check) connection() Finding {
	f := Finding{Name: "connection", State: StateOK, Text: "encrypted"}
	_, err := b.conn.TLSConnectionState()
	switch {
	case b.conn.MaxPayload() < leastPayload:
		f.State, f.Text = StateWeak, fmt.Sprintf("takes messages of %d bytes, want %d (max_payload)", b.conn.MaxPayload(), leastPayload)
	case err == nil:
	case loopbackAddress(b.conn.ConnectedAddr()):
		f.Text = "in clear, on this machine"
	default:
		f.State, f.Text = StateWeak, "in clear, want TLS (bus.tls)"
	}
	return f
}

// user holds what this user may do against what one user should: whoever writes verdicts can't change what keeps them.
func (b *check) user(p Permissions, err error) Finding {
	if err != nil {
		return Finding{"user", StateUnknown, "the server doesn't say what this user may do: allow it to publish to " + userInfo}
	}
	f := Finding{Name: strings.TrimSpace("user " + clip(p.User, 12)), State: StateOK, Text: "of account " + p.Account}
	verdicts := b.names.verdicts()
	var rights []string
	for _, right := range []string{"UPDATE", "DELETE", "PURGE", "MSG.DELETE", "RESTORE"} {
		if b.may("$JS.API.STREAM." + right + "." + verdicts) {
			rights = append(rights, "STREAM."+right)
		}
	}
	switch {
	case len(p.Publish.Allow) == 0:
		f.State, f.Text = StateWeak, f.Text+" may publish everything, want accounts and permissions for each role (configs/nats)"
	case b.may(b.names.subject("verdict", "*", "*", "*")) && len(rights) > 0:
		f.State, f.Text = StateWeak, f.Text+" may write verdicts and "+strings.Join(rights, " ")+", want a user of its own for that"
	case len(rights) > 0:
		f.Text += ": an admin"
	case b.may(b.names.subject("verdict", "*", "*", "*")):
		f.Text += ": a daemon"
	}
	return f
}

// room is about what JetStream lets this account keep.
func (b *check) room(ctx context.Context) Finding {
	if !b.may("$JS.API.INFO") {
		return Finding{"account", StateUnknown, mayNotAsk}
	}
	attempt, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	account, err := b.js.AccountInfo(attempt)
	switch {
	case noJetStream(err):
		return Finding{"account", StateMissing, errNoJetStream.Error()}
	case err != nil:
		return Finding{"account", StateUnknown, "what this account may keep: " + said(err)}
	}
	used, most := float64(max(account.Store, account.ReservedStore)), float64(account.Limits.MaxStore)
	f := Finding{"account", StateOK, fmt.Sprintf("keeps %s in %d streams", bytesOf(account.Store), account.Streams)}
	if most > 0 && used > nearlyFull*most {
		f.State, f.Text = StateWeak, fmt.Sprintf("%s, %s are spoken for of %s: a full stream takes no verdict", f.Text, bytesOf(uint64(used)), bytesOf(uint64(most)))
	}
	return f
}

func (b *check) stream(ctx context.Context, want jetstream.StreamConfig) []Finding {
	name := "stream " + want.Name
	if !b.may("$JS.API.STREAM.INFO." + want.Name) {
		return []Finding{{name, StateUnknown, mayNotAsk}}
	}
	attempt, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	s, err := b.js.Stream(attempt, want.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return []Finding{{name, StateMissing, "isn't there: plumbline bus provision makes it"}}
	case err != nil:
		return []Finding{{name, StateUnknown, said(err)}}
	}
	var all []Finding
	for _, text := range texts(faults(want, s.CachedInfo().Config)) {
		all = append(all, Finding{name, StateWeak, text})
	}
	for _, text := range lagging(s.CachedInfo().Cluster) {
		all = append(all, Finding{name, StateWeak, text})
	}
	if len(all) == 0 {
		info := s.CachedInfo()
		all = append(all, Finding{name, StateOK, fmt.Sprintf("messages: %d, %s, replicas: %d", info.State.Msgs, bytesOf(info.State.Bytes), info.Config.Replicas)})
	}
	return all
}

// lagging says which replicas couldn't take over.
func lagging(c *jetstream.ClusterInfo) (texts []string) {
	if c == nil {
		return nil
	}
	if c.Leader == "" {
		texts = append(texts, "has no leader: too few of its servers are there")
	}
	for _, peer := range c.Replicas {
		switch {
		case peer.Offline:
			texts = append(texts, fmt.Sprintf("its replica on %s is offline", peer.Name))
		case !peer.Current:
			texts = append(texts, fmt.Sprintf("its replica on %s is %d operations behind", peer.Name, peer.Lag))
		}
	}
	return texts
}

func (b *check) reader(ctx context.Context, r reader) Finding {
	f := Finding{Name: "consumer " + r.config.Durable, State: StateOK}
	if !b.may("$JS.API.CONSUMER.INFO." + r.stream + "." + r.config.Durable) {
		f.State, f.Text = StateUnknown, mayNotAsk
		return f
	}
	attempt, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	consumer, err := b.js.Consumer(attempt, r.stream, r.config.Durable)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
		f.State, f.Text = StateMissing, "isn't there: plumbline bus provision makes it"
		return f
	case err != nil:
		f.State, f.Text = StateUnknown, said(err)
		return f
	}
	info := consumer.CachedInfo()
	f.Text = fmt.Sprintf("%d waiting, %d under way", info.NumPending, info.NumAckPending)
	if text := differs(r.config, info.Config); text != "" {
		f.State, f.Text = StateWeak, text
	}
	return f
}

// said is an error for a table: what this user isn't allowed looks like no answer.
func said(err error) string {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) {
		return "no answer: " + mayNotAsk + ", or nobody leads it"
	}
	return err.Error()
}

func bytesOf[N int64 | uint64](n N) string {
	const kib = 1 << 10
	switch {
	case n < kib:
		return fmt.Sprintf("%d B", n)
	case n < kib*kib:
		return fmt.Sprintf("%d KiB", n/kib)
	}
	return fmt.Sprintf("%d MiB", n/kib/kib)
}

// loopbackAddress says whether nobody can listen in on the way to a server.
func loopbackAddress(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err != nil || ip != nil && ip.IsLoopback() // a connection within this process has no address
}
