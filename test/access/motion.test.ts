/** What counts as progress, and when there was too little of it. */
import t from 'tap'
import { Motion, watchStall } from '../../dist/access/motion.js'
import { fakeClock } from '../fixtures/clock.ts'
import { settle } from '../fixtures/turns.ts'

t.test('measures the time since the last progress', async (t) => {
  const clock = fakeClock(t)
  const motion = new Motion()
  t.equal(motion.idle, 0)
  clock.advance(300)
  t.equal(motion.idle, 300)
  motion.moved()
  t.equal(motion.idle, 0)
})

t.test('counts what a peer says only if it is something new', async (t) => {
  const clock = fakeClock(t)
  const motion = new Motion()
  motion.heard('0 1024')
  clock.advance(500)
  motion.heard('0 1024')
  t.equal(motion.idle, 500)
  motion.heard('0 2048')
  t.equal(motion.idle, 0)
})

t.test('does not count the time of this side', async (t) => {
  const clock = fakeClock(t)
  const motion = new Motion()
  let end = () => {}
  const work = motion.during(new Promise<void>((resolve) => (end = resolve)))
  clock.advance(9_000)
  t.equal(motion.idle, 0)
  end()
  await work
  t.equal(motion.idle, 0, 'and begins anew after it')
  clock.advance(10)
  t.equal(motion.idle, 10)
  await t.rejects(motion.during(Promise.reject(new Error('it fails'))), { message: 'it fails' })
  t.equal(motion.idle, 0)
})

t.test('counts the time in which a step of this side waits for the peer', async (t) => {
  const clock = fakeClock(t)
  let blocked = 0
  const motion = new Motion(() => blocked)
  void motion.during(new Promise(() => {}))
  clock.advance(9_000)
  t.equal(motion.idle, 0)
  blocked = 4_000
  t.equal(motion.idle, 4_000)
  motion.heard('0 5')
  clock.advance(100)
  t.equal(motion.idle, 100, 'the peer says that it moves')
})

t.test('calls as soon as there was no progress for so long, and not before', async (t) => {
  const clock = fakeClock(t)
  const motion = new Motion()
  let calls = 0
  watchStall(
    () => motion.idle,
    60_000,
    () => calls++,
  )
  clock.advance(40_000)
  motion.moved()
  clock.advance(59_999)
  t.equal(calls, 0)
  clock.advance(1)
  t.equal(calls, 1)
  clock.advance(600_000)
  t.equal(calls, 1, 'once')
})

t.test('stops watching, and needs no timer for no limit', async (t) => {
  const clock = fakeClock(t)
  const motion = new Motion()
  const idle = () => motion.idle
  const stop = watchStall(idle, 60_000, () => t.fail('it was stopped'))
  stop()
  watchStall(idle, Number.POSITIVE_INFINITY, () => t.fail('there is no limit'))()
  t.equal(clock.timers, 0)
  clock.advance(600_000)
  await settle()
})

t.test('can wait for longer than a timer can', async (t) => {
  const clock = fakeClock(t)
  const motion = new Motion()
  let calls = 0
  const month = 31 * 24 * 3_600_000
  watchStall(
    () => motion.idle,
    month,
    () => calls++,
  )
  clock.advance(2 ** 31)
  t.equal(calls, 0)
  clock.advance(month - 2 ** 31)
  t.equal(calls, 1)
})
