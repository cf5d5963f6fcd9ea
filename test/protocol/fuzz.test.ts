/** A short run of the fuzzer of `test/fuzz`, over the whole corpus: the same streams every time. */
import t from 'tap'
import { grammars, readCorpus } from '../fuzz/corpus.ts'
import { DecoderRun } from '../fuzz/decoder-run.ts'

t.test(
  'reads every stream of the corpus, and others that are made of them, as the reference decoders do',
  async (t) => {
    const run = new DecoderRun(1)
    await run.begin()
    t.equal(run.inputs, readCorpus().length)
    const before = run.signatures.size
    await run.go(10_000)
    t.equal(run.findings.summary(), 'nothing was found')
    t.ok(run.signatures.size > 3 * before, `much else happens: ${run.signatures.size} outcomes`)
  },
)

t.test('has a corpus for each grammar', async (t) => {
  const found = new Set(readCorpus().map(({ grammar }) => grammar))
  t.strictSame([...found].sort(), [...grammars].sort())
})
