package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// Permissions are what the server lets this user do, as far as subjects go.
type Permissions struct {
	User      string   `json:"user"`
	Account   string   `json:"account"`
	Publish   Subjects `json:"publish"`
	Subscribe Subjects `json:"subscribe"`
}

// Subjects are patterns. The zero Subjects allow everything.
type Subjects struct {
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
}

// Has says whether everything that a pattern stands for is allowed.
func (s Subjects) Has(pattern string) bool {
	covering := func(p string) bool { return covers(p, pattern) }
	return (len(s.Allow) == 0 || slices.ContainsFunc(s.Allow, covering)) && !slices.ContainsFunc(s.Deny, covering)
}

// userInfo is where a server tells a user who it is.
const userInfo = "$SYS.REQ.USER.INFO"

// Permissions asks the server who this client is. A user who may do everything may have to be told so nowhere: a server
// that doesn't say is an error, and nothing is known.
func (b *Bus) Permissions(ctx context.Context) (Permissions, error) {
	attempt, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	m, err := b.conn.RequestWithContext(attempt, userInfo, nil)
	if err != nil {
		return Permissions{}, fmt.Errorf("the permissions of this user: %w", err)
	}
	var answer struct {
		Data struct {
			User        string `json:"user"`
			Account     string `json:"account"`
			Permissions struct{ Publish, Subscribe Subjects }
		}
		Error *struct{ Description string }
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil || answer.Error != nil {
		return Permissions{}, fmt.Errorf("the permissions of this user: the server answered %q", clip(string(m.Data), 128))
	}
	return Permissions{User: answer.Data.User, Account: answer.Data.Account,
		Publish: answer.Data.Permissions.Publish, Subscribe: answer.Data.Permissions.Subscribe}, nil
}

// ReadsNothing says whether this user is known to be one who says and asks and may read nothing, as release tooling and
// switch controllers are.
func (b *Bus) ReadsNothing(ctx context.Context) bool {
	return b.mayNot(ctx, "$JS.API.STREAM.MSG.GET.KV_"+b.names.services())
}

// FollowsNothing says whether this user is known to be one who may make no consumer of verdicts, and so can't wait for one.
func (b *Bus) FollowsNothing(ctx context.Context) bool {
	return b.mayNotConsume(ctx, b.names.verdicts())
}

// MayNotPublish says whether this user is known to be one from whom no event about a service is taken.
func (b *Bus) MayNotPublish(ctx context.Context, service string) bool {
	return b.mayNot(ctx, b.names.event(service))
}

// MayNotDrop says whether this user is known to be one who may not remove dead letters.
func (b *Bus) MayNotDrop(ctx context.Context) bool {
	return b.mayNot(ctx, "$JS.API.STREAM.MSG.DELETE."+b.names.deadLetters())
}

// mayNot says whether the server is known to refuse this user a subject.
func (b *Bus) mayNot(ctx context.Context, subject string) bool {
	p, err := b.Permissions(ctx)
	return err == nil && !p.Publish.Has(subject)
}

// mayNotConsume is mayNot of the consumers that reading a stream takes; a connection asks once.
func (b *Bus) mayNotConsume(ctx context.Context, stream string) bool {
	known, asked := b.refused.Load(stream)
	if !asked {
		known, _ = b.refused.LoadOrStore(stream, b.mayNot(ctx, "$JS.API.CONSUMER.CREATE."+stream+".*.>"))
	}
	return known.(bool)
}
