/** The numbers of the protocol, each with its reason. The protocol document lists them, and a test compares the two. */

/** The only version. A change that an old peer cannot ignore needs a new number (document, "Extensions"). */
export const VERSION = 1

/** A chunk in bytes: the unit in which a file is streamed, counted and verified. It is also the chunk of BLAKE3. */
export const CHUNK = 1024

/** The most bytes of one data frame: 1,024 chunks, so many that the frame headers cost nothing. */
export const MAX_DATA = 1024 * CHUNK

/** The most bytes of one control payload. A name has at most 255 bytes, so 64 KiB leaves room for extensions. */
export const MAX_CONTROL = 64 * 1024

/**
 * The most brackets and braces that are open at once in a control payload, and the most commas outside of its strings.
 * No frame needs more than 2 of the one and 240 of the other, and more of them cost more work than they are long.
 */
export const MAX_NESTING = 16
export const MAX_COMMAS = 256

/** The bytes of a segment: the unit in which a file is compared that the receiver has in part. */
export const SEGMENT = 16 * 1024 * 1024

/** The most digests of segments in one frame, of chunks with their lengths, and the most ranges in one frame. */
export const MAX_DIGESTS = 200
export const MAX_LENGTHS = 100
export const MAX_RANGES = 100

/** The most samples of one file, and the bytes of each. */
export const MAX_SAMPLES = 32
export const SAMPLE = 16 * 1024

/** The most ranges of one file: no list of its chunks can make more. */
export const MAX_ALL_RANGES = 2 ** 18

/** The most files in one frame of a list. */
export const MAX_LISTED = 200

/** The most connections of a bundle. */
export const MAX_CONNECTIONS = 64

/** The most blocks of a bundle that a side must hold because what comes before them is missing. */
export const MAX_HELD = 4096

/** The smallest file that a receiver keeps if it breaks off, in bytes. A smaller one is sent again as a whole. */
export const SMALLEST_KEPT = 1024 * 1024

/** Bytes before a frame's payload: one of type and four of length, big-endian. */
export const FRAME_HEADER = 5

/** The most bytes of a message. Both sides hold a message in memory. */
export const MAX_MESSAGE = 64 * 1024

/** The first eight bytes of each direction. They differ, so that two senders or two receivers notice each other. */
export const SENDER_MAGIC = 'tcp-send'
export const RECEIVER_MAGIC = 'tcp-recv'

/** The first eight bytes of a talk (tcp-chat). */
export const CHAT_MAGIC = 'tcp-chat'

/** The time from the accepted connection to the first complete header, in milliseconds. */
export const HEADER_DEADLINE = 10_000

/** A side that has sent nothing for this long sends a heartbeat, in milliseconds. So silence always means trouble. */
export const HEARTBEAT_INTERVAL = 1_000

/**
 * The most frames of the types `B` and `a`–`z` from a peer: so many at once, and so many more for each second of the
 * connection. An honest peer sends one a second. It is no bucket with a bottom: what a peer sends while this side is
 * stuck comes all at once.
 */
export const IDLE_FRAMES = 100
export const IDLE_FRAMES_PER_SECOND = 10

/** The latest modification time in milliseconds after 1970, and the earliest before: the range of a JavaScript date. */
export const MAX_TIME = 8_640_000_000_000_000
