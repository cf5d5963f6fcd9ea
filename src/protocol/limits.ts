/** The numbers of the wire, each with its reason. The protocol document lists the same table; a test compares them. */

/** The only version there is. A change that an old peer cannot ignore is a new number. */
export const VERSION = 1

/** A chunk: the unit in which a file is streamed, counted and verified, in bytes. It is BLAKE3's own chunk too. */
export const CHUNK = 1024

/** The most bytes of one data frame: 1,024 chunks. Large enough that a frame's header costs nothing. */
export const MAX_DATA = 1024 * CHUNK

/** The most bytes of one control payload: a name is at most 255 bytes, so 64 KiB leaves room for every extension. */
export const MAX_CONTROL = 64 * 1024

/** Bytes before a frame's payload: one of type and four of length, big-endian. */
export const FRAME_HEADER = 5

/** The most bytes of a message: both sides hold it in memory. */
export const MAX_MESSAGE = 64 * 1024

/** The first eight bytes of each direction say whose they are, so that two of a kind notice. */
export const SENDER_MAGIC = 'tcp-send'
export const RECEIVER_MAGIC = 'tcp-recv'

/** From the accepted connection to the first complete header: an absolute deadline, in milliseconds. */
export const HEADER_DEADLINE = 10_000

/** A side that has sent nothing for this long sends a heartbeat, in milliseconds: silence always means trouble. */
export const HEARTBEAT_INTERVAL = 1_000

/** The largest time of an entry, either side of 1970, in milliseconds: what a JavaScript date holds (ECMA-262, 21.4.1.1). */
export const MAX_TIME = 8_640_000_000_000_000
