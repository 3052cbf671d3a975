package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const looping = "loop"

// loop asks n times, so many at once, as one would write it without plumbline: one client, whole bodies, encoding/json.
func loop(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("loop wants URL N CONCURRENCY")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	concurrency, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: concurrency}}
	var next, wrong atomic.Int64
	var all sync.WaitGroup
	for range concurrency {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := one(ctx, client, args[0]+pathOf(i)); err != nil {
					wrong.Add(1)
				}
			}
		})
	}
	all.Wait()
	if wrong.Load() > 0 {
		return fmt.Errorf("%d of %d are wrong", wrong.Load(), n)
	}
	return nil
}

func one(ctx context.Context, client *http.Client, url string) error {
	begun := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	latency := time.Since(begun)
	var document map[string]any
	if err := json.Unmarshal(body, &document); err != nil {
		return err
	}
	project, _ := document["project"].(map[string]any)
	if response.StatusCode != http.StatusOK || project["state"] != "ready" || latency >= 5*time.Second {
		return errors.New("not what is wanted")
	}
	return nil
}
