// libvips reads this once, when its library is loaded: imported before `sharp`, it makes every loader that
// libvips itself calls unfit for untrusted input unavailable from the first moment.
process.env['VIPS_BLOCK_UNTRUSTED'] = '1';
