/** What the bundles of the commands load in place of some packages. */
import mime from 'mime-types'

/**
 * Replaces `string-width` in yargs. The original loads the Unicode segmentation tables, which takes a fifth of the time
 * of `--help`. The help is ASCII (a test checks this), so the width of a text is its length. Progress bars keep the
 * original.
 */
export const asciiHelp = {
  name: 'ascii-help',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^string-width$/ }, ({ path, importer, namespace }) => {
      if (namespace === 'ascii') return { path, external: true }
      return { path: importer.includes('node_modules') ? path : 'whole', namespace: 'ascii' }
    })
    // esbuild would turn an import into a `require` and treat the result as CommonJS, but this package is an ES module.
    const whole = "export default require('string-width').default"
    onLoad({ filter: /^whole$/, namespace: 'ascii' }, () => ({ contents: whole }))
    onLoad({ filter: /.*/, namespace: 'ascii' }, () => ({ contents: 'export default (text) => text.length' }))
  },
}

/**
 * Replaces `mime-types`, which builds its table from a database of all media types at every start. That takes 8 ms. The
 * bundle contains the finished table, and looks up names in the same way.
 */
export const builtMimeTypes = {
  name: 'built-mime-types',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^mime-types$/ }, ({ path }) => ({ path, namespace: 'mime' }))
    onLoad({ filter: /.*/, namespace: 'mime' }, () => ({
      resolveDir: '.',
      contents: `import { extname } from 'node:path'
        const types = new Map(JSON.parse(${JSON.stringify(JSON.stringify(Object.entries(mime.types)))}))
        export default { lookup: (name) => types.get(extname('x.' + name).toLowerCase().slice(1)) ?? false }`,
    }))
  },
}
