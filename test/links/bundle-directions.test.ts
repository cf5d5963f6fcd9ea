/** The two directions of a bundle by themselves: the stream comes out as it went in, whatever its connections do. */
import fc from 'fast-check'
import t from 'tap'
import { Incoming } from '../../dist/links/bundle-in.js'
import { type Block, Outgoing } from '../../dist/links/bundle-out.js'
import { LaneDecoder } from '../../dist/protocol/bundle-frames.js'
import { MAX_HELD } from '../../dist/protocol/limits.js'
import { ProtocolError } from '../../dist/protocol/protocol-error.js'
import { bytesOf } from '../fixtures/folder.ts'

const WINDOW = 4096

/** The bytes of a block as the other side reads them. */
function read({ frames }: Block): { offset: number; bytes: Buffer } {
  const [message, ...others] = [...new LaneDecoder().push(frames)]
  if (message?.frame !== 'data' || others.length > 0) throw new Error('a block is one message')
  return { offset: message.offset, bytes: message.bytes }
}

/** What happens next: a block leaves over a lane, comes, comes twice, or is lost with its connection; all by chance. */
const steps = fc.array(fc.record({ what: fc.nat(9), which: fc.nat(100), size: fc.integer({ min: 1, max: 700 }) }), {
  minLength: 50,
  maxLength: 400,
})

t.test('a stream comes out as it went in, in any order, with breaks and repetitions, within its window', (t) => {
  const carries = (length: number, happening: { what: number; which: number; size: number }[]) => {
    const content = bytesOf(length, 7)
    const [incoming, outgoing] = [new Incoming(WINDOW), new Outgoing(WINDOW)]
    let isCut = false
    outgoing.add(content, () => {
      isCut = true
    })
    const underWay: Block[] = []
    const pieces: Buffer[] = []
    let [read_, held] = [0, 0]
    const come = (block: Block) => {
      const { offset, bytes } = read(block)
      incoming.check(offset, bytes.length)
      for (const piece of incoming.take(offset, Buffer.from(bytes))) pieces.push(piece)
      held = pieces.reduce((sum, piece) => sum + piece.length, 0)
      if (block.offset >= read_ + WINDOW) throw new Error('more than the window is on its way')
    }
    const leave = (size: number) => {
      const block = outgoing.next(size)
      if (!block) return false
      outgoing.onHandedOver(block)
      underWay.push(block)
      return true
    }
    const arrive = (which: number) => {
      const [block] = underWay.splice(which % underWay.length, 1)
      if (!block) return
      come(block)
      outgoing.onArrived(block)
    }
    const everythingRead = () => {
      read_ = held
      incoming.extend(read_)
      outgoing.allow(incoming.limit)
    }
    for (const { what, which, size } of happening) {
      if (what < 4) leave(size)
      else if (what < 7) arrive(which)
      else if (what === 7) outgoing.takeBack(underWay.splice(which % (underWay.length + 1)))
      else if (what === 8) {
        const late = outgoing.late(Number.POSITIVE_INFINITY)
        // It goes over a second connection, so that it comes twice.
        if (late) come(late)
      } else everythingRead()
    }
    // Then all goes well.
    while (!outgoing.isDone) {
      while (leave(512));
      while (underWay.length > 0) arrive(0)
      everythingRead()
    }
    incoming.end(outgoing.length)
    if (!isCut || !incoming.isComplete || outgoing.arrived !== length) throw new Error('not all has come')
    if (!Buffer.concat(pieces).equals(content)) throw new Error('another stream')
  }
  fc.assert(fc.property(fc.integer({ min: 1, max: 20_000 }), steps, carries), { numRuns: 200 })
  t.end()
})

t.test('a peer that is wrong about blocks is told, and never makes a side hold more than its window', (t) => {
  const blocks = fc.array(fc.record({ offset: fc.nat(2 * WINDOW), length: fc.integer({ min: 1, max: 300 }) }))
  const bounded = (all: { offset: number; length: number }[]) => {
    const incoming = new Incoming(WINDOW)
    let [bytes, came] = [0, 0]
    try {
      for (const { offset, length } of all) {
        incoming.check(offset, length)
        came += length
        for (const piece of incoming.take(offset, Buffer.alloc(length))) bytes += piece.length
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
    }
    if (bytes > Math.min(WINDOW, came)) throw new Error('more has come out than went in')
  }
  fc.assert(fc.property(blocks, bounded), { numRuns: 300 })
  t.end()
})

t.test('says what is wrong with a block, or with the end', (t) => {
  const incoming = new Incoming(100)
  t.throws(() => incoming.check(90, 11), { message: /a block at 90, for which it has no room/ })
  t.strictSame(incoming.take(10, Buffer.alloc(10)), [])
  t.strictSame(incoming.take(10, Buffer.alloc(10)), [], 'once more')
  t.throws(() => incoming.take(10, Buffer.alloc(9)), { message: /a block at 10, of which another part has come/ })
  t.equal(incoming.take(0, Buffer.alloc(10)).length, 2)
  t.strictSame(incoming.take(0, Buffer.alloc(10)), [], 'once more, later')
  t.throws(() => incoming.take(5, Buffer.alloc(16)), { message: /a block at 5, of which another part/ })
  t.throws(() => incoming.end(19), { message: /a stream that ends at 19/ })
  incoming.end(30)
  incoming.end(30)
  t.throws(() => incoming.end(31), { message: /a stream that ends at 31/ })
  t.throws(() => incoming.check(25, 6), { message: /no room/ })
  t.equal(incoming.isComplete, false)
  t.equal(incoming.take(20, Buffer.alloc(10)).length, 1)
  t.equal(incoming.isComplete, true)
  t.end()
})

t.test('holds no more blocks than the protocol allows, however small', (t) => {
  const incoming = new Incoming(1_000_000)
  const holdAll = (count: number) => {
    for (let number = 1; number <= count; number++) incoming.take(2 * number, Buffer.alloc(1))
  }
  holdAll(4096)
  t.throws(() => incoming.take(1, Buffer.alloc(1)), { message: /too many blocks to hold/ })
  t.end()
})

t.test('blocks that overlap never fill more than the window', (t) => {
  const incoming = new Incoming(100)
  incoming.take(1, Buffer.alloc(60))
  t.throws(() => incoming.take(2, Buffer.alloc(60)), { message: /too many blocks to hold/ })
  t.end()
})

t.test('tells the other side of more room in steps of an eighth', (t) => {
  const incoming = new Incoming(800)
  t.equal(incoming.extend(99), false)
  t.equal(incoming.limit, 899, 'whoever hears of something else hears of this')
  t.equal(incoming.extend(100), true)
  t.equal(incoming.extend(199), false)
  t.equal(incoming.extend(200), true)
  t.end()
})

t.test('cuts no more than there is room for, and sends again what was lost before what is new', (t) => {
  const outgoing = new Outgoing(100)
  t.equal(outgoing.next(50), null, 'there is nothing')
  let cut = 0
  outgoing.add(Buffer.alloc(150), () => cut++)
  t.equal(outgoing.length, 150)
  const blocks = [outgoing.next(80), outgoing.next(80)] as Block[]
  t.strictSame(
    blocks.map(({ offset, length }) => [offset, length]),
    [
      [0, 80],
      [80, 20],
    ],
  )
  t.equal(outgoing.next(80), null, 'no room')
  outgoing.allow(50)
  t.equal(outgoing.next(80), null, 'what was allowed stays so')
  for (const block of blocks) outgoing.onHandedOver(block)
  t.equal(outgoing.repeated, 0)
  outgoing.takeBack(blocks)
  outgoing.onArrived(blocks[0] as Block)
  outgoing.onArrived(blocks[0] as Block)
  t.equal(outgoing.arrived, 80, 'counted once')
  t.equal(outgoing.next(1), blocks[1], 'whole, and without the one that has arrived')
  outgoing.onHandedOver(blocks[1] as Block)
  t.equal(outgoing.repeated, 20)
  t.equal(cut, 0)
  outgoing.allow(1000)
  t.match(outgoing.next(80), { offset: 100, length: 50 })
  t.equal(cut, 1)
  t.equal(outgoing.isCut, true)
  t.equal(outgoing.isDone, false)
  t.end()
})

t.test('sends no more small blocks behind a missing one than the other side must hold', (t) => {
  const outgoing = new Outgoing(Number.MAX_SAFE_INTEGER)
  const add = () => outgoing.add(Buffer.from('x'), () => {})
  add()
  const missing = outgoing.next(1) as Block
  for (let sent = 1; sent < MAX_HELD; sent++) {
    add()
    outgoing.onArrived(outgoing.next(1) as Block)
  }
  add()
  t.equal(outgoing.next(1), null)
  outgoing.onArrived(missing)
  t.match(outgoing.next(1), { offset: MAX_HELD })
  t.end()
})

t.test('keeps no more in memory than it may, whatever room the other side says it has', (t) => {
  const outgoing = new Outgoing(1_000_000, 100)
  outgoing.add(Buffer.alloc(300), () => {})
  const first = outgoing.next(60) as Block
  t.match(outgoing.next(60), { length: 40 })
  t.equal(outgoing.next(60), null)
  outgoing.onArrived(first)
  t.match(outgoing.next(100), { length: 60 })
  t.end()
})

t.test('looks for late blocks only among those that the other side misses first', (t) => {
  const outgoing = new Outgoing(1000)
  outgoing.add(Buffer.alloc(100), () => {})
  t.equal(outgoing.late(1), null)
  const blocks: Block[] = []
  for (let block = outgoing.next(1); block; block = outgoing.next(1)) blocks.push(block)
  t.equal(outgoing.late(1), blocks[0])
  for (const block of blocks.slice(0, 32)) outgoing.onHandedOver(block)
  t.equal(outgoing.late(1), null, 'those behind them wait')
  outgoing.onArrived(blocks[0] as Block)
  t.equal(outgoing.late(1), blocks[32])
  t.end()
})
