package bus

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// EmbeddedOptions say where an embedded server keeps its messages and whether others reach it.
type EmbeddedOptions struct {
	Store  string // directory; made if it isn't there
	Listen string // host:port on loopback, port 0 for any; "" for this process alone
	Log    *slog.Logger
}

// Embedded is a NATS server with JetStream inside this process. What it acknowledged is on the disk.
type Embedded struct {
	server *server.Server
	lock   *flock.Flock
	listen bool
	close  sync.Once
}

// StartEmbedded starts a server on a store that no other server uses. The store stays locked until Close. The server
// has no accounts, so it listens on loopback only.
func StartEmbedded(o EmbeddedOptions) (*Embedded, error) {
	host, port, err := loopback(o.Listen)
	if err != nil {
		return nil, err
	}
	lock, err := lockStore(o.Store)
	if err != nil {
		return nil, err
	}
	s, err := startServer(&server.Options{
		ServerName: "plumbline", Host: host, Port: port, DontListen: o.Listen == "", NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: o.Store, SyncAlways: true,
	}, orDiscard(o.Log))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embedded bus: %w", err), lock.Unlock())
	}
	return &Embedded{server: s, lock: lock, listen: o.Listen != ""}, nil
}

// URL is where other processes reach the server, or nothing if it doesn't listen.
func (e *Embedded) URL() string {
	if !e.listen {
		return ""
	}
	return e.server.ClientURL()
}

// InProcess connects a client to the server without a socket.
func (e *Embedded) InProcess() nats.Option { return nats.InProcessServer(e) }

// InProcessConn makes an Embedded a nats.InProcessConnProvider: it is one connection without a socket.
func (e *Embedded) InProcessConn() (net.Conn, error) { return e.server.InProcessConn() }

// Close stops the server, waits for its end and frees its store. Clients should be closed before.
func (e *Embedded) Close() {
	e.close.Do(func() {
		e.server.Shutdown()
		e.server.WaitForShutdown()
		_ = e.lock.Unlock() // the process' end frees it, too
	})
}

func startServer(o *server.Options, log *slog.Logger) (*server.Server, error) {
	s, err := server.NewServer(o)
	if err != nil {
		return nil, err
	}
	logger := &serverLog{log: log}
	s.SetLoggerV2(logger, false, false, false)
	s.Start()
	if err := logger.fatal(); err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, err
	}
	return s, nil
}

func lockStore(store string) (*flock.Flock, error) {
	if store == "" {
		return nil, errors.New("the embedded bus needs a store: set bus.store to a directory")
	}
	if err := os.MkdirAll(store, 0o700); err != nil {
		return nil, fmt.Errorf("bus store: %w", err)
	}
	lock := flock.New(filepath.Join(store, "plumbline.lock"))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock of bus store %s: %w", store, err)
	}
	if !held {
		return nil, fmt.Errorf("bus store %s is in use by another process: stop that one, or set bus.store to another directory", store)
	}
	return lock, nil
}

// loopback splits an address and refuses one that others could reach.
func loopback(listen string) (string, int, error) {
	if listen == "" {
		return "", 0, nil
	}
	host, service, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("bus.listen %q: want host:port", listen)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("bus.listen %q: port %q, want a number up to 65535", listen, service)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", 0, fmt.Errorf("bus.listen %q: the embedded bus listens on loopback only, want 127.0.0.1:%d; for others run a nats-server and set bus.url", listen, port)
	}
	if port == 0 {
		return host, server.RANDOM_PORT, nil
	}
	return host, int(port), nil
}

// A serverLog hands the server's log on. The server calls Fatalf where it would end the process: here it is an error.
type serverLog struct {
	log  *slog.Logger
	mu   sync.Mutex
	died error
}

func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Debugf(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Tracef(format string, v ...any)  { l.log.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Warnf(format string, v ...any)   { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l *serverLog) Errorf(format string, v ...any)  { l.log.Error(fmt.Sprintf(format, v...)) }

func (l *serverLog) Fatalf(format string, v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.died == nil {
		l.died = fmt.Errorf(format, v...)
	}
}

func (l *serverLog) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.died
}

func orDiscard(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
