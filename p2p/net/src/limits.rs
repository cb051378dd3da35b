//! Every limit of the network, named, with unit and reason. Not here: limits that are part of the op
//! format (they are `record`'s).

use std::time::Duration;

/// Longest message on a stream, bytes: four batches, so that one large op still passes, and little enough
/// that a hundred hostile peers do not fill memory.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Largest single op or frame that travels, bytes; a message less room for its own fields. An op above it
/// goes without its frames, which are asked for one by one.
pub const OP_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 4096;
/// What one batch of ops or frames aims at, bytes: above the 16 KiB under which TCP is ten times slower,
/// small enough to be acknowledged soon on a slow line.
pub const BATCH_BYTES_MAX: usize = 1 << 20;
/// Most ops in one message, so that a decoder's list stays small.
pub const BATCH_OPS_MAX: usize = 16_384;
/// Most heads of one record in a message: each process start opens two lanes; 81 bytes each, 2.6 MiB.
pub const HEADS_MAX: usize = 32_768;
/// Most heads of one lane in a message. Only a lane that forked has more than one; what its author signed in yet more
/// branches is sent, but not told by its heads.
pub const BRANCHES_MAX: usize = 16;
/// Most heads remembered per record and session of what was sent and is not told by the peer, 80 bytes each.
pub const UNTOLD_MAX: usize = 1024;
/// Most heads a peer may have sent that are not looked at yet; 48 MiB in memory, years of many records.
pub const HEADS_WAITING_MAX: usize = 500_000;
/// Most records a peer may have announced that are not looked at yet.
pub const RECORDS_WAITING_MAX: usize = 100_000;
/// Most frames asked for at once.
pub const FRAMES_MAX: usize = 1024;
/// Longest greeting, bytes: a certificate and a few addresses.
pub const HELLO_BYTES_MAX: usize = 64 << 10;
/// Longest refusal or farewell, bytes.
pub const REASON_BYTES_MAX: usize = 256;
/// Longest question or answer, bytes: a sealed request with its reason, never a record.
pub const ASK_BYTES_MAX: usize = 1 << 20;
/// Longest topic of a question, bytes.
pub const TOPIC_BYTES_MAX: usize = 64;

/// Batches of ops a peer may have under way unacknowledged; each is of another record.
pub const IN_FLIGHT_MAX: usize = 4;
/// Messages waiting to be written on one stream; with [`IN_FLIGHT_MAX`] it bounds a session's memory.
pub const OUT_QUEUE_MAX: usize = 8;
/// Records remembered as moved per session before the session looks at all of them instead.
pub const MOVED_MAX: usize = 4096;
/// Records announced before incoming messages are looked at again.
pub const ANNOUNCE_AT_ONCE: usize = 64;

/// Sync sessions at once; each is a few tasks and at most a few MiB.
pub const SESSIONS_MAX: usize = 512;
/// Streams of one peer that are not greeted yet or are being answered.
pub const STREAMS_PER_PEER_MAX: usize = 4;
/// Streams of all peers that are not greeted yet or are being answered.
pub const STREAMS_PENDING_MAX: usize = 128;
/// Connections at once, under the usual 1,024 file descriptors of a process.
pub const CONNECTIONS_MAX: u32 = 768;
/// Connections others may open; the rest stays for our own dialling.
pub const CONNECTIONS_IN_MAX: u32 = 640;
/// Connections with one peer: both dial at once over both transports.
pub const CONNECTIONS_PER_PEER_MAX: u32 = 4;
/// Handshakes under way, each direction.
pub const CONNECTIONS_PENDING_MAX: u32 = 128;
/// Peers we stay connected to.
pub const KEPT_MAX: usize = 512;
/// Addresses remembered per kept peer.
pub const ADDRESSES_MAX: usize = 16;
/// Requests from handles waiting for the host.
pub const COMMANDS_MAX: usize = 64;

/// A session says something at least this often; libp2p's own ping does not keep a connection.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// A stream that brought no byte, or took none, for so long is dead: three heartbeats.
pub const SILENCE_MAX: Duration = Duration::from_secs(45);
/// A greeting or its answer takes at most this long on the wire.
pub const GREETING_MAX: Duration = Duration::from_secs(20);
/// Opening a stream takes at most this long; libp2p gives up at 10 s itself.
pub const OPEN_MAX: Duration = Duration::from_secs(12);
/// A batch or a question for frames unanswered for so long ends the session; it starts anew.
pub const ANSWER_MAX: Duration = Duration::from_secs(120);
/// A connection without any stream is closed after this; libp2p's default is 10 s.
pub const IDLE_MAX: Duration = Duration::from_secs(60);
/// A peer that lied is not spoken to for so long.
pub const CUT: Duration = Duration::from_secs(60);
/// First delay before heads are announced again after [`crate::ApplyError::Retry`]; doubles.
pub const RETRY_FIRST: Duration = Duration::from_millis(500);
/// Longest such delay.
pub const RETRY_MAX: Duration = Duration::from_secs(15);
/// First delay before dialling again; doubles.
pub const REDIAL_FIRST: Duration = Duration::from_millis(200);
/// Longest such delay.
pub const REDIAL_MAX: Duration = Duration::from_secs(15);
/// A session that lived this long was a good one: the next delay is short again.
pub const GOOD_SESSION: Duration = Duration::from_secs(5);
/// The side whose turn it is not to open the session waits this long before it does so anyway.
pub const OTHERS_TURN: Duration = Duration::from_secs(2);
/// A farewell is given at most this long to leave.
pub const FAREWELL_MAX: Duration = Duration::from_secs(2);
/// What `shutdown` gives sessions to finish what they are storing.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(10);
