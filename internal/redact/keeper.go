package redact

import (
	"slices"
	"sync"
	"sync/atomic"
)

// A Keeper is a Redactor that is told of further secrets while it is in use, and forgets none: what was a secret once may
// still be on its way. It is safe for concurrent use; nil changes nothing.
type Keeper struct {
	mu      sync.Mutex
	secrets []string
	now     atomic.Pointer[Redactor]
}

// NewKeeper keeps these secrets from the beginning.
func NewKeeper(secrets ...string) *Keeper {
	k := &Keeper{}
	k.Learn(secrets...)
	return k
}

// Learn adds secrets. From its return on they are redacted, too.
func (k *Keeper) Learn(secrets ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	known := len(k.secrets)
	for _, secret := range secrets {
		if !slices.Contains(k.secrets, secret) {
			k.secrets = append(k.secrets, secret)
		}
	}
	if len(k.secrets) > known || k.now.Load() == nil {
		k.now.Store(New(k.secrets...))
	}
}

// String returns s without secrets.
func (k *Keeper) String(s string) string { return k.Redactor().String(s) }

// Redactor is one for what is known at the moment.
func (k *Keeper) Redactor() *Redactor {
	if k == nil {
		return nil
	}
	return k.now.Load()
}
