package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// diskSize is how many MiB the store of a server has.
const diskSize = 192

// A broker is one NATS server, with a store of its own.
type broker struct {
	name, program, dir string
	address            string // for clients
	config             string
	disk               bool // the store is a disk of its own, which can be full

	mu      sync.Mutex
	process *process
	stopped bool
}

// brokers are one server, or three that are a cluster. They tell nobody of each other, so that no client finds a way
// around its proxy.
func newBrokers(dir, host, program string, n int) ([]*broker, error) {
	var all []*broker
	var routes []string
	for i := range n {
		routes = append(routes, fmt.Sprintf("nats://%s:%d", host, 6222+i))
	}
	for i := range n {
		b := &broker{name: fmt.Sprintf("nats-%d", i+1), program: program, address: fmt.Sprintf("%s:%d", host, 4222+i)}
		b.dir = filepath.Join(dir, b.name)
		b.config = filepath.Join(b.dir, "nats.conf")
		if err := os.MkdirAll(b.store(), 0o700); err != nil {
			return all, err
		}
		text := fmt.Sprintf("server_name: %s\nlisten: %q\nlogfile_size_limit: 64MB\n"+
			"jetstream { store_dir: %q, max_memory_store: 64MB, max_file_store: 8GB, sync_interval: always }\n", b.name, b.address, b.store())
		if n > 1 {
			text += fmt.Sprintf("cluster { name: chaos, listen: \"%s:%d\", no_advertise: true, routes: [%s] }\n", host, 6222+i, strings.Join(routes, ", "))
		}
		if err := os.WriteFile(b.config, []byte(text), 0o600); err != nil {
			return all, err
		}
		all = append(all, b)
	}
	return all, nil
}

func (b *broker) store() string { return filepath.Join(b.dir, "store") }

// ownDisk puts the store on a disk of a fixed size.
func (b *broker) ownDisk() error {
	if err := mountDisk(b.store(), diskSize); err != nil {
		return err
	}
	b.disk = true
	return nil
}

// begin starts the server, and returns when it takes connections.
func (b *broker) begin(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return nil
	}
	p, err := begin(filepath.Join(b.dir, "log"), nil, b.program, "-c", b.config)
	if err != nil {
		return err
	}
	b.process = p
	for {
		c, err := net.DialTimeout("tcp", b.address, time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.ended:
			return fmt.Errorf("%s ended with %s: see its log in %s", b.name, p.cmd.ProcessState, b.dir)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// kill ends the server without a word.
func (b *broker) kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process != nil {
		b.process.kill()
	}
}

// end ends the server for good.
func (b *broker) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	if b.process != nil {
		b.process.kill()
	}
	if b.disk {
		b.disk = false
		_ = unmountDisk(b.store()) // what is left goes with the machine
	}
}

func (b *broker) ballast() string { return filepath.Join(b.store(), "ballast") }

// fill leaves no room on the server's disk.
func (b *broker) fill() error {
	file, err := os.Create(b.ballast())
	if err != nil {
		return err
	}
	defer file.Close()
	for block := make([]byte, 64<<10); len(block) >= 512; {
		if _, err := file.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			return err
		}
	}
	return nil
}

// drain makes room again.
func (b *broker) drain() error {
	if err := os.Remove(b.ballast()); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
