/** A bundle whose connections a test plays the other side of. */
import type { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { Bundle } from '../../dist/links/bundle.js'
import { blockSizes, Flight } from '../../dist/links/flight.js'
import { Lane } from '../../dist/links/lane.js'
import { reserve, SMALLEST_WINDOW } from '../../dist/links/window.js'
import { broken, channelPair } from '../fixtures/channel-pair.ts'
import { fakeClock } from '../fixtures/clock.ts'
import { bytesOf } from '../fixtures/folder.ts'
import { type Frame, frame, readFrames } from '../fixtures/peer-frames.ts'
import { fakePerformanceNow } from '../fixtures/performance-clock.ts'

const MiB = 1024 * 1024

/** The other side of a connection. */
class Far {
  /** Where the frames would follow the magic of a connection. */
  #bytes: Buffer = Buffer.alloc(8)
  readonly #socket: Duplex

  constructor(socket: Duplex) {
    this.#socket = socket
    socket.on('data', (bytes) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes])
    })
  }

  get frames(): Frame[] {
    return readFrames(this.#bytes).frames
  }

  /** The blocks that have come over this connection. */
  get blocks(): number {
    return this.frames.filter(({ type }) => type === 'D').length
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
  }

  async frame(type: string): Promise<Frame> {
    await this.until(() => this.frames.some((frame) => frame.type === type))
    return this.frames.find((frame) => frame.type === type) as Frame
  }

  say(...frames: Buffer[]): void {
    this.#socket.write(Buffer.concat(frames))
  }

  /** All that has come over this connection has arrived. */
  acknowledge(): void {
    this.say(frame('K', { blocks: this.blocks, limit: 64 * MiB }))
  }
}

/** Adds a connection. */
function join(t: Test, bundle: Bundle, calls = { countIdle: () => {}, onMoved: () => {} }) {
  const { channel, other } = channelPair(t)
  const lane = new Lane(channel, bundle, calls)
  const far = new Far(other)
  const ended = channel.receive((bytes) => lane.consume(bytes)).catch((error) => bundle.remove(lane, error))
  bundle.add(lane)
  return { lane, far, other, ended, channel }
}

/** A bundle with so many connections. */
function bundleOf(t: Test, count: number) {
  const bundle = new Bundle(MiB)
  t.teardown(() => bundle.destroy())
  const errors: Error[] = []
  bundle.on('error', (error) => errors.push(error))
  const counts = { idle: 0, moved: 0 }
  const calls = { countIdle: () => void counts.idle++, onMoved: () => void counts.moved++ }
  const lanes = Array.from({ length: count }, () => join(t, bundle, calls))
  return { bundle, lanes: lanes as [(typeof lanes)[0], ...typeof lanes], counts, errors }
}

t.test('asks the other side for more connections, and is asked', async (t) => {
  const { bundle, lanes, counts } = bundleOf(t, 1)
  const [{ far }] = lanes
  bundle.ask(7)
  t.strictSame((await far.frame('U')).fields, { connections: 7 })
  far.say(frame('U', { connections: 3 }))
  await far.until(() => counts.idle === 1)
  const asked: number[] = []
  bundle.onAsked = (connections) => asked.push(connections)
  far.say(frame('U', { connections: 9 }), frame('U', {}), frame('B', {}), frame('x', {}))
  await far.until(() => counts.idle === 5)
  t.strictSame(asked, [9, 1])
  far.say(frame('K', { blocks: 0, limit: 0 }))
  await far.until(() => counts.idle === 6)
})

t.test('counts news of more room as such only if something has arrived since', async (t) => {
  const { bundle, lanes, counts } = bundleOf(t, 2)
  const [{ far }, other] = lanes
  const more = (limit: number) => far.say(frame('K', { blocks: 0, limit }), frame('B', {}))
  more(2 * MiB)
  await far.until(() => counts.idle === 1)
  more(3 * MiB)
  await far.until(() => counts.idle === 3)
  bundle.write(bytesOf(1024))
  await far.until(() => far.blocks === 1)
  far.acknowledge()
  await far.until(() => bundle.arrived === 1024)
  other?.far.say(frame('K', { blocks: 0, limit: 65 * MiB }), frame('B', {}))
  await far.until(() => counts.idle === 4)
  other?.far.say(frame('K', { blocks: 0, limit: 66 * MiB }), frame('B', {}))
  await far.until(() => counts.idle === 6)
})

t.test('says once what has come as long as the connection takes nothing', async (t) => {
  const { bundle, lanes } = bundleOf(t, 0)
  t.equal(lanes.length, 0)
  const { channel, other } = channelPair(t)
  const written: Buffer[] = []
  channel.write = (bytes: Buffer) => {
    written.push(bytes)
    return new Promise(() => {})
  }
  const lane = new Lane(channel, bundle, { countIdle: () => {}, onMoved: () => {} })
  void channel.receive((bytes) => lane.consume(bytes)).catch(() => {})
  bundle.add(lane)
  for (let offset = 0; offset < 2000; offset++)
    other.write(Buffer.concat([frame('P', { offset }), frame('D', Buffer.from('x'))]))
  let read = 0
  for await (const bytes of bundle.iterator({ destroyOnReturn: false })) {
    read += bytes.length
    if (read === 2000) break
  }
  t.equal(written.length, 1)
})

t.test('a bundle without connections asks nobody', (t) => {
  const { bundle } = bundleOf(t, 0)
  bundle.ask(3)
  t.equal(bundle.connections, 0)
  t.end()
})

t.test('is full as long as its connections take no more', async (t) => {
  const { bundle, lanes } = bundleOf(t, 1)
  const [{ far }] = lanes
  const written = new Promise((resolve) => bundle.write(bytesOf(3 * MiB), resolve))
  await far.until(() => far.blocks > 0)
  t.equal(bundle.isFull, true)
  t.equal(bundle.arrived, 0)
  while (bundle.arrived < 3 * MiB) {
    const before = bundle.arrived
    far.acknowledge()
    await far.until(() => bundle.arrived > before)
  }
  await written
  t.equal(bundle.isFull, false)
})

t.test('sends what is late over another connection', async (t) => {
  const { bundle, lanes } = bundleOf(t, 2)
  const [slow, fast] = lanes
  bundle.write(bytesOf(200 * 1024))
  await slow.far.until(() => slow.far.blocks > 0)
  const answering = setInterval(() => fast?.far.acknowledge(), 5)
  t.teardown(() => clearInterval(answering))
  await slow.far.until(() => bundle.arrived === 200 * 1024)
  t.ok(slow.far.blocks > 0, 'and nothing of it was acknowledged')
})

t.test('tells a connection that comes late that the stream has ended', async (t) => {
  const { bundle, lanes } = bundleOf(t, 1)
  const [{ far }] = lanes
  bundle.end()
  t.strictSame((await far.frame('E')).fields, { bytes: 0 })
  const late = join(t, bundle)
  t.strictSame((await late.far.frame('E')).fields, { bytes: 0 })
})

t.test('breaks with its last connection, with the error of that', async (t) => {
  const { bundle, lanes, errors } = bundleOf(t, 2)
  const [first, second] = lanes
  first.far.say(frame('A', { entry: null, reason: 'broken', message: 'no\tmore' }))
  await first.far.until(() => bundle.connections === 1)
  t.equal(bundle.destroyed, false)
  bundle.remove(first.lane, broken())
  t.equal(bundle.destroyed, false, 'it has gone already')
  second?.far.say(frame('K', { blocks: 5, limit: 0 }))
  await first.far.until(() => errors.length > 0)
  t.match(errors, [{ message: /5 blocks have come, it says/ }])
  t.equal(bundle.connections, 0)
})

t.test('gives up its connections if it breaks itself', async (t) => {
  const { bundle, lanes } = bundleOf(t, 1)
  bundle.destroy(broken())
  const [{ ended, other }] = lanes
  await ended
  await new Promise((resolve) => other.once('end', resolve))
  t.equal(bundle.destroyed, true)
})

t.test('ends its connections at once if the other side has had its time to end them', async (t) => {
  // No time passes, so nothing lingers to its end.
  fakeClock(t)
  const { bundle, lanes } = bundleOf(t, 1)
  const [{ far, channel }] = lanes
  bundle.end()
  await far.frame('E')
  bundle.destroy()
  await channel.closed
  t.equal(bundle.connections, 0)
})

t.test('all bundles share their memory, and each has the least', (t) => {
  const all = Array.from({ length: 20 }, () => reserve(64 * MiB))
  t.equal(all[0]?.bytes, 64 * MiB)
  t.equal(all[19]?.bytes, SMALLEST_WINDOW)
  for (const { release } of all) release()
  const again = reserve(64 * MiB)
  t.equal(again.bytes, 64 * MiB)
  again.release()
  t.end()
})

t.test('as much is on its way as a connection delivers in a round trip, and it may become slower', (t) => {
  const clock = fakePerformanceNow(t)
  const roundTrip = (flight: Flight, milliseconds: number) => {
    const lengths: number[] = []
    for (; flight.hasRoom && lengths.length < 40; lengths.push(flight.blockSize)) flight.onSent(flight.blockSize)
    clock.pass(milliseconds)
    flight.onArrived(lengths)
    return lengths.reduce((sum, length) => sum + length, 0)
  }
  const fast = new Flight()
  t.equal(fast.blockSize, blockSizes.least)
  for (let round = 0; round < 10; round++) roundTrip(fast, 10)
  t.equal(fast.blockSize, blockSizes.most)
  const longer = new Flight()
  roundTrip(longer, 10)
  for (let round = 0; round < 10; round++) roundTrip(longer, 1000)
  const before = roundTrip(longer, 1000)
  for (let round = 0; round < 30; round++) roundTrip(longer, 1000)
  t.ok(roundTrip(longer, 1000) > before, 'after a while the path counts as longer')
  t.end()
})
