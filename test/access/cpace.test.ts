/** CPace against the test vectors of its draft: draft-irtf-cfrg-cpace, CPACE-RISTR255-SHA512. */
import t from 'tap'
import { generatorString, makeShare, multiplyVerified, scalarOf, sharedSecret } from '../../dist/access/cpace.js'

const hex = (...lines: string[]) => Buffer.from(lines.join(''), 'hex')

const inputs = {
  PRS: Buffer.from('Password'),
  CI: Buffer.from('\x0bA_initiator\x0bB_responder', 'latin1'),
  sid: hex('7e4b4791d6a8ef019b936c79fb7f2c57'),
}
const ya = hex('da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08')
const yb = hex('d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d')
const A = {
  Y: hex('d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157'),
  AD: Buffer.from('ADa'),
}
const B = {
  Y: hex('3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258'),
  AD: Buffer.from('ADb'),
}
const K = hex('80b69a8a76457ab6a4d7f887a4bf6b55a2f80ac19c333f917a05fc9887c8b40f')
const ISK = hex(
  'b69effbf61b51d56401c0f65601abe428de8206feaaf0e32198896dcae7b35cd',
  '2b38950a39dfd5d4a79164614c2984f7daa460b588c1e80c3fa2068af7900447',
)

t.test('pads the string that the generator is made of', async (t) => {
  const padding = '00'.repeat(100)
  const expected = hex(
    '11435061636552697374726574746f3235350850617373776f726464',
    padding,
    '180b415f696e69746961746f720b425f726573706f6e646572107e4b4791d6a8ef019b936c79fb7f2c57',
  )
  t.strictSame(generatorString(inputs), expected)
})

t.test('makes the shares of both sides', async (t) => {
  t.strictSame(makeShare(inputs, ya).Y, A.Y)
  t.strictSame(makeShare(inputs, yb).Y, B.Y)
})

t.test('agrees on the same secret on both sides', async (t) => {
  t.strictSame(multiplyVerified(scalarOf(ya), B.Y), K)
  t.strictSame(multiplyVerified(scalarOf(yb), A.Y), K)
  t.strictSame(sharedSecret(inputs.sid, scalarOf(ya), B.Y, { A, B }), ISK)
  t.strictSame(sharedSecret(inputs.sid, scalarOf(yb), A.Y, { A, B }), ISK)
})

t.test('multiplies a point, and refuses what is none, and the neutral element', async (t) => {
  const s = scalarOf(hex('7cd0e075fa7955ba52c02759a6c90dbbfc10e6d40aea8d283e407d88cf538a05'))
  const X = hex('2c3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c')
  const product = hex('7c13645fe790a468f62c39beb7388e541d8405d1ade69d1778c5fe3e7f6b600e')
  t.strictSame(multiplyVerified(s, X), product)
  const none = hex('2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c')
  const neutral = Buffer.alloc(32)
  for (const invalid of [none, neutral]) {
    t.equal(multiplyVerified(s, invalid), null)
    t.equal(sharedSecret(inputs.sid, s, invalid, { A, B }), null)
  }
})

t.test('makes another share each time', async (t) => {
  const shares = [makeShare(inputs), makeShare(inputs)] as const
  t.notSame(shares[0].Y, shares[1].Y)
  const [first, second] = shares.map(({ Y }) => Y) as [Buffer, Buffer]
  const messages = { A: { Y: first, AD: A.AD }, B: { Y: second, AD: B.AD } }
  const secret = sharedSecret(inputs.sid, shares[0].scalar, second, messages)
  t.strictSame(sharedSecret(inputs.sid, shares[1].scalar, first, messages), secret)
})

t.test('agrees on nothing if the secrets or the data differ', async (t) => {
  const other = { ...inputs, PRS: Buffer.from('password') }
  const [near, far] = [makeShare(inputs), makeShare(other)]
  const messages = { A: { Y: near.Y, AD: A.AD }, B: { Y: far.Y, AD: B.AD } }
  const secret = sharedSecret(inputs.sid, near.scalar, far.Y, messages)
  t.notSame(sharedSecret(inputs.sid, far.scalar, near.Y, messages), secret)
  const swapped = { A: { Y: near.Y, AD: B.AD }, B: { Y: far.Y, AD: A.AD } }
  t.notSame(sharedSecret(inputs.sid, near.scalar, far.Y, swapped), secret)
})
