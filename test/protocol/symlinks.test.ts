/** The symlinks that may be in a directory, judged by the kernel: on a real tree, none that is taken leads out of it. */
import { mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { staysInside } from '../../dist/protocol/symlinks.js'

t.test('takes a target that stays inside, from where the symlink is', async (t) => {
  const inside: [string, number][] = [
    ['a', 0],
    ['a/b/c', 0],
    ['./a', 0],
    ['a//b/', 0],
    ['.', 0],
    ['./.', 0],
    ['..', 1],
    ['../', 1],
    ['../../a', 2],
    ['./../././../a/./b', 2],
    ['...', 0],
    ['..a/b..', 0],
    ['a b\n', 0],
    ['~', 0],
    ['a\\b', 0],
  ]
  for (const [target, depth] of inside) t.ok(staysInside(target, depth), `${target} at ${depth}`)
})

t.test('refuses a target that leads out, or could', async (t) => {
  const outside: [string, number][] = [
    ['', 0],
    ['/', 0],
    ['/', 9],
    ['//', 9],
    ['/etc/passwd', 9],
    ['..', 0],
    ['../a', 0],
    ['../..', 1],
    ['./../../a', 1],
    ['../../../a', 2],
    ['a/..', 0],
    ['x/../..', 0],
    ['x/../..', 1],
    ['../x/../a', 5],
    ['a/./..', 5],
    ['a/b/..', 5],
    ['\\', 0],
    ['\\evil', 5],
    ['..\\evil', 0],
    ['..\\..', 1],
    ['a\\..\\..', 5],
    ['.\\..', 0],
    ['..\\./../x', 2],
  ]
  for (const [target, depth] of outside) t.notOk(staysInside(target, depth), `${target} at ${depth}`)
})

t.test('takes a target that goes up first, as far as the directory goes, and no other that goes up', async (t) => {
  const names = fc.array(fc.constantFrom('a', 'b', '...', '.', ''), { maxLength: 4 })
  const property = fc.property(fc.nat(5), names, fc.nat(4), (ups, names, depth) => {
    const target = [...Array(ups).fill('..'), 'x', ...names].join('/')
    return staysInside(target, depth) === ups <= depth && !staysInside(`${target}/..`, depth)
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1_000 }))
})

t.test('takes no symlink that leads out, on its own or together with others that were taken', async (t) => {
  const places = ['', 'a', 'a/b', 'a/b/c', 'd']
  const names = ['l', 'm', 'n']
  const part = fc.constantFrom('..', '..', '.', 'a', 'b', 'c', 'd', ...names, ...names)
  const target = fc.oneof(
    fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/')),
    fc.constantFrom('/', '/etc', '..\\..', '..'),
  )
  const link = fc.record({ place: fc.constantFrom(...places), name: fc.constantFrom(...names), target })
  const links = fc.uniqueArray(link, { minLength: 1, maxLength: 12, selector: ({ place, name }) => join(place, name) })
  const base = realpathSync(t.testdir())
  let runs = 0
  let taken = 0
  let resolved = 0
  const property = fc.property(links, (planned) => {
    const root = join(base, `${runs++}`, 'above', 'root')
    for (const place of places) mkdirSync(join(root, place), { recursive: true })
    const made = planned.filter(({ place, target }) => staysInside(target, place === '' ? 0 : place.split('/').length))
    for (const { place, name, target } of made) symlinkSync(target, join(root, place, name))
    taken += made.length
    // What lies behind a link counts too: a path may go through it, and through the links that are there.
    for (const { place, name } of made) {
      for (const behind of ['', 'l', 'm', 'l/m', 'a', 'b/l']) {
        const path = join(root, place, name) + (behind === '' ? '' : `/${behind}`)
        const real = realOf(path)
        if (real === null) continue
        resolved++
        if (!`${real}/`.startsWith(`${root}/`)) return false
      }
    }
    return true
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300 }))
  t.ok(taken > 300 && resolved > 300, `enough were taken for that to mean something: ${taken}, ${resolved}`)
})

function realOf(path: string): string | null {
  try {
    return realpathSync.native(path)
  } catch {
    // It leads nowhere, or in circles.
    return null
  }
}
