//! One socket in CLOSE_WAIT whose end of stream was read, by a program that then waits for a backend.
use std::io::Read;
use std::net::{TcpListener, TcpStream};

struct Pool {
    backend: TcpStream,
}

impl Pool {
    #[inline(never)]
    fn wait(&mut self) -> usize {
        let mut data = [0u8; 10];
        self.backend.read(&mut data).unwrap() + 1 // blocked
    }
}

#[inline(never)]
fn serve(mut served: TcpStream, pool: &mut Pool) -> usize {
    let mut data = [0u8; 10];
    while served.read(&mut data).unwrap() > 0 {}
    pool.wait() + 1 // calls it
}

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let backend = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let _answers = listener.accept().unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (served, _) = listener.accept().unwrap();
    drop(client);
    println!("ready");
    std::process::exit(serve(served, &mut Pool { backend }) as i32)
}
