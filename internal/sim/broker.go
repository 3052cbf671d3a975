package sim

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing/synctest"

	"github.com/plumbline-dev/plumbline/bus"
)

// errDown is what a dial to a broker says that isn't there.
var errDown = errors.New("connection refused")

// A broker is an embedded server that is stopped, killed and started beneath its clients.
type broker struct {
	dir string // holds one store for each life that ended in a crash

	mu     sync.Mutex
	server *bus.Embedded
	lives  int
	links  []*link
}

func (k *broker) store() string { return filepath.Join(k.dir, fmt.Sprint("store-", k.lives)) }

func (k *broker) start() error {
	server, err := bus.StartEmbedded(bus.EmbeddedOptions{Store: k.store()})
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.server = server
	return nil
}

// stop ends the server as an operator does. While the server tells everybody so it holds a lock and lets time pass: whoever
// asked for a consumer at that moment would wait for the lock, which keeps the bubble's time from passing. So it is asked
// for nothing any more, and has done what it was asked for.
func (k *broker) stop() {
	server := k.gone()
	if server == nil {
		return
	}
	for _, l := range k.all() {
		l.hush()
	}
	synctest.Wait()
	server.Close()
}

// kill ends the server as kill -9 does: what it had not given to the file system is lost. The store is taken at a moment
// at which nobody in the bubble can do anything.
func (k *broker) kill() error {
	synctest.Wait()
	server := k.gone()
	if server == nil {
		return nil
	}
	for _, l := range k.all() {
		l.drop()
	}
	synctest.Wait() // see stop
	before := k.store()
	k.lives++
	err := os.CopyFS(k.store(), os.DirFS(before))
	server.Close()
	return errors.Join(err, os.RemoveAll(before))
}

// gone takes the server away from who would dial it.
func (k *broker) gone() *bus.Embedded {
	k.mu.Lock()
	defer k.mu.Unlock()
	server := k.server
	k.server = nil
	return server
}

func (k *broker) all() []*link {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]*link(nil), k.links...)
}

func (k *broker) link() *link {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := &link{broker: k}
	k.links = append(k.links, l)
	return l
}

func (k *broker) dial() (net.Conn, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.server == nil {
		return nil, errDown
	}
	return k.server.InProcessConn()
}
