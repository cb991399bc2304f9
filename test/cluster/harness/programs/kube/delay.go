package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// The words of nfnetlink_queue that are needed here (linux/netfilter/nfnetlink_queue.h).
const (
	queueSubsystem = 3

	msgPacket       = queueSubsystem<<8 | 0
	msgConfig       = queueSubsystem<<8 | 2
	msgVerdictBatch = queueSubsystem<<8 | 3

	attrPacketHeader  = 1
	attrVerdictHeader = 2
	attrCommand       = 1
	attrParams        = 2
	attrMaxLength     = 3
	attrMask          = 4
	attrFlags         = 5

	commandBind  = 1
	copyMeta     = 1
	flagFailOpen = 1 << 0
	flagGSO      = 1 << 2
	accept       = 1

	// 10 s of a busy board; past it the kernel lets packets through.
	maxPackets         = 100_000
	receiveBufferBytes = 8 << 20
	messageBufferBytes = 64 << 10
	packetsInMemory    = 1 << 16
)

// delayCommand holds each packet of a netfilter queue for a while: what `tc … netem delay` does, on kernels without
// it. Ended by SIGTERM it lets go of all it holds: a stall of the network, nothing lost.
func delayCommand() *cobra.Command {
	var queue uint16
	var delay time.Duration
	command := &cobra.Command{
		Use: "delay", Short: "delays the packets of a netfilter queue", SilenceUsage: true,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(command.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return holdPackets(ctx, queue, delay)
		},
	}
	command.Flags().Uint16Var(&queue, "queue", 0, "number of the queue")
	command.Flags().DurationVar(&delay, "by", 0, "how long each packet waits")
	return command
}

type held struct {
	id  uint32
	due time.Time
}

func holdPackets(ctx context.Context, queue uint16, delay time.Duration) error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBufferBytes); err != nil {
		return err
	}
	// What overflows is lost to this socket, but stays in the kernel's queue: the next verdict counts for it too.
	if err := unix.SetsockoptInt(socket, unix.SOL_NETLINK, unix.NETLINK_NO_ENOBUFS, 1); err != nil {
		return err
	}
	if err := unix.Bind(socket, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	send := func(message uint16, attributes ...[]byte) error {
		return unix.Sendto(socket, netlinkMessage(message, queue, attributes), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	if err := send(msgConfig, attribute(attrCommand, []byte{commandBind, 0, 0, 0})); err != nil {
		return err
	}
	if err := send(msgConfig,
		attribute(attrParams, []byte{0, 0, 0, 0, copyMeta}),
		attribute(attrMaxLength, bigEndian(maxPackets)),
		attribute(attrMask, bigEndian(flagFailOpen|flagGSO)),
		attribute(attrFlags, bigEndian(flagFailOpen|flagGSO))); err != nil {
		return err
	}
	packets := make(chan held, packetsInMemory)
	failed := make(chan error, 1)
	go func() { failed <- readPackets(socket, delay, packets) }()
	fmt.Println("ready")

	// Verdicts are for all packets up to an id: they wait equally long, so their order is that of their ids.
	release := func(id uint32) error {
		return send(msgVerdictBatch, attribute(attrVerdictHeader, append(bigEndian(accept), bigEndian(id)...)))
	}
	for {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return releaseAll(packets, release)
		case packet := <-packets:
			select {
			case <-ctx.Done():
				if err := release(packet.id); err != nil {
					return err
				}
				return releaseAll(packets, release)
			case <-time.After(time.Until(packet.due)):
			}
			if err := release(packet.id); err != nil {
				return err
			}
		}
	}
}

func releaseAll(packets <-chan held, release func(id uint32) error) error {
	for {
		select {
		case packet := <-packets:
			if err := release(packet.id); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func readPackets(socket int, delay time.Duration, packets chan<- held) error {
	buffer := make([]byte, messageBufferBytes)
	for {
		size, _, err := unix.Recvfrom(socket, buffer, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		due := time.Now().Add(delay)
		messages, err := syscall.ParseNetlinkMessage(buffer[:size])
		if err != nil {
			return err
		}
		for _, message := range messages {
			if message.Header.Type == unix.NLMSG_ERROR {
				if code := int32(binary.NativeEndian.Uint32(message.Data)); code != 0 {
					return fmt.Errorf("the kernel refused the queue: %w", syscall.Errno(-code))
				}
			}
			if message.Header.Type == msgPacket {
				if id, ok := packetID(message.Data); ok {
					packets <- held{id, due}
				}
			}
		}
	}
}

// packetID finds the packet's header among the attributes that follow the generic one.
func packetID(data []byte) (uint32, bool) {
	for data = data[4:]; len(data) >= 4; {
		size, kind := int(binary.NativeEndian.Uint16(data)), binary.NativeEndian.Uint16(data[2:])
		if size < 4 || size > len(data) {
			return 0, false
		}
		if kind == attrPacketHeader && size >= 8 {
			return binary.BigEndian.Uint32(data[4:]), true
		}
		data = data[min(len(data), (size+3)&^3):]
	}
	return 0, false
}

func netlinkMessage(message uint16, queue uint16, attributes [][]byte) []byte {
	body := []byte{unix.AF_UNSPEC, 0}
	body = binary.BigEndian.AppendUint16(body, queue)
	for _, one := range attributes {
		body = append(body, one...)
	}
	header := binary.NativeEndian.AppendUint32(nil, uint32(16+len(body)))
	header = binary.NativeEndian.AppendUint16(header, message)
	header = binary.NativeEndian.AppendUint16(header, unix.NLM_F_REQUEST)
	header = append(header, make([]byte, 8)...) // sequence and port: the kernel's to fill
	return append(header, body...)
}

func attribute(kind uint16, value []byte) []byte {
	header := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	header = binary.NativeEndian.AppendUint16(header, kind)
	return append(append(header, value...), make([]byte, -len(value)&3)...)
}

func bigEndian(value uint32) []byte { return binary.BigEndian.AppendUint32(nil, value) }
