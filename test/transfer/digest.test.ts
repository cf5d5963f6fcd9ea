import { createRequire } from 'node:module'
import fc from 'fast-check'
import t from 'tap'
import { createDigest } from '../../dist/transfer/digest.js'

const require = createRequire(import.meta.url)

type Load = (name: string) => unknown

/** Loads the packages whose name passes; the others are not there, as where npm found nothing for the platform. */
function only(isThere: (name: string) => boolean): Load {
  return (name) => {
    if (!isThere(name)) throw new Error(`cannot find ${name}`)
    return require(name)
  }
}

const nativeOnly = only((name) => name !== 'hash-wasm')
const withoutNative = only((name) => name === 'hash-wasm')

/** Every way to come by a digest. Only this one is within reach, so that no other can have answered. */
const kinds: Record<string, Load> = {
  native: nativeOnly,
  'native, found by its loader': only((name) => name === '@napi-rs/blake-hash'),
  WebAssembly: withoutNative,
}

async function hexOf(pieces: readonly Uint8Array[], load: Load): Promise<string> {
  const digest = await createDigest(load)
  for (const piece of pieces) digest.update(Buffer.from(piece))
  return digest.hex()
}

/** The official test vectors of BLAKE3 (test_vectors.json): byte i of the input is i mod 251. */
const vectors: [length: number, hex: string][] = [
  [0, 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'],
  [1, '2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213'],
  [1023, '10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11'],
  [1024, '42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7'],
  [1025, 'd00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444'],
  [2048, 'e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a'],
  [102400, 'bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085'],
]

for (const [kind, load] of Object.entries(kinds)) {
  t.test(`computes BLAKE3 by its official vectors (${kind})`, async (t) => {
    for (const [length, hex] of vectors) {
      const input = Uint8Array.from({ length }, (_, index) => index % 251)
      t.equal(await hexOf([input], load), hex, `${length} bytes`)
    }
  })
}

t.test('loads the packages of this installation unless told otherwise', async (t) => {
  const digest = await createDigest()
  t.equal(digest.hex(), vectors[0]?.[1])
})

t.test('asks for the binaries of Linux on Linux alone', async (t) => {
  for (const [platform, expected] of [
    ['linux', 3],
    ['darwin', 1],
  ] as const) {
    t.intercept(process, 'platform', { value: platform })
    const fresh = await t.mockImport<typeof import('../../dist/transfer/digest.js')>('../../dist/transfer/digest.js')
    const asked: string[] = []
    const load = only((name) => name === 'hash-wasm')
    await fresh.createDigest((name) => {
      asked.push(name)
      return load(name)
    })
    t.equal(asked.filter((name) => name.startsWith('@napi-rs/')).length, expected, platform)
  }
})

t.test('tells when there is no digest at all', async (t) => {
  await t.rejects(createDigest(only(() => false)), { message: 'cannot find hash-wasm' })
})

t.test('gives the same digest natively and in WebAssembly, however the input is cut', async (t) => {
  const cut = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 6 })
  const same = fc.asyncProperty(cut, async (pieces) => {
    const whole = await hexOf([Buffer.concat(pieces)], nativeOnly)
    return whole === (await hexOf(pieces, nativeOnly)) && whole === (await hexOf(pieces, withoutNative))
  })
  await t.resolves(fc.assert(same, { numRuns: 60 }))
})

t.test('does not keep the memory that it was given', async (t) => {
  for (const [kind, load] of Object.entries(kinds)) {
    const buffer = Buffer.from('first')
    const digest = await createDigest(load)
    digest.update(buffer)
    buffer.fill('x')
    t.equal(digest.hex(), await hexOf([Buffer.from('first')], load), kind)
  }
})

t.test('starts anew when it is reset', async (t) => {
  for (const [kind, load] of Object.entries(kinds)) {
    const digest = await createDigest(load)
    digest.update(Buffer.from('before'))
    digest.reset()
    digest.update(Buffer.from('after'))
    t.equal(digest.hex(), await hexOf([Buffer.from('after')], load), kind)
  }
})
