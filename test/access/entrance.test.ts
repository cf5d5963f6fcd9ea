import t from 'tap'
import { entranceFor } from '../../dist/access/entrance.js'
import { key } from '../fixtures/keys.ts'

t.test('keeps its keys if those that come cannot be used, also where nobody hears of it', async (t) => {
  let now = key
  const entrance = await entranceFor({ key: () => now }, 'receiver')
  const [id] = entrance?.keys().map((one) => one.id) ?? []
  now = 'hunter2'
  t.strictSame(
    entrance?.keys().map((one) => one.id),
    [id],
  )
})
