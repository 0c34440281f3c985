// The runtime's side of the benchmark's closed loop, in Go: containerd's own NRI library for runtimes (pkg/adaptation) calls whatever
// plugin connects. bench/go-runtime.ts says what it is sent and what it prints. Build it in a tree that has github.com/containerd/nri
// v0.10 and name it with NRI_BENCH_GO_RUNTIME.
package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"

	nri "github.com/containerd/nri/pkg/adaptation"
	"google.golang.org/protobuf/proto"
)

type event struct {
	letter byte
	change nri.StateChangeEvent
}

func main() {
	ready := make(chan struct{}, 1)
	synchronize := func(ctx context.Context, synchronized nri.SyncCB) error {
		_, err := synchronized(ctx, nil, nil)
		ready <- struct{}{}
		return err
	}
	update := func(context.Context, []*nri.ContainerUpdate) ([]*nri.ContainerUpdate, error) { return nil, nil }
	runtime, err := nri.New("containerd", "v1.7.28", synchronize, update, nri.WithSocketPath(os.Args[1]))
	must(err)
	must(runtime.Start())
	fmt.Println("listening")
	<-ready
	fmt.Println("ready")
	in := bufio.NewReader(os.Stdin)
	for {
		for _, one := range read(in) {
			began := time.Now()
			err := send(runtime, one)
			fmt.Println(time.Since(began).Microseconds(), string(one.letter), err)
		}
	}
}

// read is the next events; the program ends with its input.
func read(in io.Reader) []*event {
	var count uint32
	if binary.Read(in, binary.LittleEndian, &count) != nil {
		os.Exit(0)
	}
	events := make([]*event, count)
	for i := range events {
		var head struct {
			Letter byte
			Size   uint32
		}
		must(binary.Read(in, binary.LittleEndian, &head))
		payload := make([]byte, head.Size)
		_, err := io.ReadFull(in, payload)
		must(err)
		events[i] = &event{letter: head.Letter}
		must(proto.Unmarshal(payload, &events[i].change))
	}
	return events
}

func send(runtime *nri.Adaptation, one *event) error {
	ctx := context.Background()
	switch one.letter {
	case 'S':
		return runtime.StartContainer(ctx, &one.change)
	case 'T':
		_, err := runtime.StopContainer(ctx, &nri.StopContainerRequest{Pod: one.change.Pod, Container: one.change.Container})
		return err
	case 'R':
		return runtime.RemoveContainer(ctx, &one.change)
	}
	return fmt.Errorf("no event %q", one.letter)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
