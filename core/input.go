package core

// InputKind says what an [Input] is.
type InputKind uint8

// The inputs. Each says which fields of Input are set beside Kind.
const (
	// InputStart is the first input of control, and of a session (Peer, the client's address without the port).
	InputStart InputKind = iota + 1
	// InputTick says that a deadline has come. It may come early or without need.
	InputTick
	// InputMessage brings Message from From.
	InputMessage
	// InputFrame brings a session one request, without its length prefix, in Frame. The frame belongs to the session
	// until its [Outbox.Release].
	InputFrame
	// InputAnswered tells a session that the answer Token has left, or never will: its file ranges and bytes are free.
	InputAnswered
	// InputDisconnected tells a session that its peer is gone. Outstanding answers are still reported answered.
	InputDisconnected
	// InputWritten completes an [OpWrite] with Ticket; Err is nil on success.
	InputWritten
	// InputSynced completes an [OpSync] or [OpSyncDir] with Ticket; Err is nil on success.
	InputSynced
	// InputMapped answers an [OpMap] with File and View, or Err.
	InputMapped
	// InputJobDone brings back Job.
	InputJobDone
	// InputFailed reports that an operation on File without a completion of its own failed with Err. It comes before the
	// completion of any later sync of the same machine.
	InputFailed
	// InputLinkUp tells the owner of Link that the connection stands.
	InputLinkUp
	// InputLinkDown tells it that the connection is gone, or could not be made, with Err, which is [ErrRefused] if
	// nobody listens there. It is the last of Link.
	InputLinkDown
	// InputLinkFrame brings a response, without its length prefix, in Frame. The frame belongs to the machine until its
	// [Outbox.Release].
	InputLinkFrame
	// InputShutdown asks control for a clean shutdown, answered by [Outbox.Stopped].
	InputShutdown
)

// Input is one event for a machine.
type Input struct {
	Kind    InputKind
	From    Address
	Message Message
	Frame   []byte
	View    []byte
	File    FileID
	Ticket  Ticket
	Token   uint64
	Link    LinkID
	Job     Job
	Err     error
	Peer    string
}
