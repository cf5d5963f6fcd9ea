import t from 'tap'
import { andThen, orElse } from '../src/at-hand.js'

const fault = new Error('fault')

t.test('goes on at once with what is at hand, and later with what is not', async (t) => {
  t.equal(
    andThen(1, (value) => value + 1),
    2,
  )
  t.equal(await andThen(Promise.resolve(1), (value) => value + 1), 2)
  t.equal(await andThen(1, async (value) => value + 1), 2)
})

t.test('passes an error on, and the next step is not taken', async (t) => {
  const never = () => t.fail('was called')
  await t.rejects(Promise.resolve(andThen(Promise.reject(fault), never)), fault)
  t.throws(
    () =>
      andThen(1, () => {
        throw fault
      }),
    fault,
  )
})

t.test('recovers from what is thrown at once, and from what is thrown later', async (t) => {
  t.equal(
    orElse(
      () => 1,
      () => 2,
    ),
    1,
  )
  t.equal(
    orElse(
      () => {
        throw fault
      },
      (error) => error,
    ),
    fault,
  )
  t.equal(
    await orElse(
      async () => 1,
      () => 2,
    ),
    1,
  )
  t.equal(
    await orElse(
      () => Promise.reject(fault),
      (error) => error,
    ),
    fault,
  )
})
